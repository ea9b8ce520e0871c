"""The model card of a version: what it is for, what it was made of, how good it is and where it must not be trusted."""

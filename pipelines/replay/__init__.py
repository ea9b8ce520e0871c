"""Replay: history run forward under several policies, with the product's own recipe, cached fits and its policy."""

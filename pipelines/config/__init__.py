"""Settings (the only reader of the environment) and the strict, typed contents of a model folder."""

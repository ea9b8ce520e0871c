"""Point-in-time building blocks for a model's `features.py`."""

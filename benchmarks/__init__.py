"""Measured comparisons: `make bench`, or `python -m benchmarks.run --only NAME ...`."""

"""Metrics, slices, importance, plots and the report of an evaluation."""

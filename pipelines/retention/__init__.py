"""Retention and erasure: what is kept and why, the end of what is not, and rows that must go at once."""

"""Data quality: Great Expectations verdicts per partition and checks of a whole window."""

"""Files: atomic writes, verified parquet, model files, the lake."""

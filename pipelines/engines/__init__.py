"""Where tables become features and matrices: DuckDB and XGBoost on one machine."""

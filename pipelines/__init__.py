"""Everything that runs inside a task container; plain Python that never imports Airflow."""

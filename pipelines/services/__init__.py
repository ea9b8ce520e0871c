"""The embedded services: start, watch and stop Airflow and MLflow on loopback."""

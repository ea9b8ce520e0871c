"""The embedded services: start, watch and stop Airflow and MLflow on loopback."""

from pipelines.services.embedded import down, status, up

__all__ = ["down", "status", "up"]

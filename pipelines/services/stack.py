"""The stack seen from its host, which reaches Airflow and MLflow alone."""

from __future__ import annotations

import json
import time
from collections.abc import Callable

from pipelines.config.settings import Settings
from pipelines.errors import PassingFault
from pipelines.services import components, stack_secrets

Progress = Callable[[str], None]
WAIT_SECONDS = 300.0
SAY_SECONDS = 5.0
PARTS = ("metadatabase", "scheduler", "dag_processor", "triggerer")


def wait(settings: Settings, progress: Progress) -> None:
    """Wait until everything is well, and say where it is; raises PassingFault when it takes too long."""
    began = said = time.monotonic()
    while missing := _missing(settings):
        if time.monotonic() - began > WAIT_SECONDS:
            raise PassingFault(
                f"not well after {WAIT_SECONDS:.0f} s: {', '.join(missing)}",
                where="stack",
                remedy="see `docker compose ps` and the logs of what is not healthy",
            )
        if time.monotonic() - said >= SAY_SECONDS:
            said = time.monotonic()
            progress(f"waiting for {', '.join(missing)} ({said - began:.0f} s)")
        time.sleep(1)
    where = stack_secrets.folder(settings)
    progress(f"Airflow {components.airflow_address(settings)}, user admin, password in {where / 'airflow-admin'}")
    progress(f"MLflow {components.mlflow_address(settings)}, user admin, password in {where / 'mlflow-admin'}")


def _missing(settings: Settings) -> list[str]:
    """What does not answer yet, or says that it is not well."""
    missing = [] if components.get(f"{components.mlflow_address(settings)}/health") else ["mlflow"]
    health = components.get(f"{components.airflow_address(settings)}/api/v2/monitor/health")
    if health is None:
        return [*missing, "airflow"]
    told = json.loads(health)
    return missing + [part for part in PARTS if (told.get(part) or {}).get("status") != "healthy"]

"""Compares MLflow with the ledger, and repairs what somebody changed by hand; once an hour, started by maintenance.

An alias that was moved goes back to where the ledger has it; a version that was edited gets its tags again, one that
was deleted is registered again. What was found is recorded in the ledger, and an alert tells of it.
"""

from __future__ import annotations

import evergreen_calls as calls
from airflow.sdk import DAG
from evergreen_dags import dag_arguments, model_dags
from evergreen_tasks import asset, stage_task

from pipelines.config.model import Model


def build(name: str, model: Model) -> DAG:
    """`<name>__reconcile`."""
    schedule = [asset(name, "compare")]
    with DAG(f"{name}__reconcile", schedule=schedule, **dag_arguments(name, model, __doc__)) as dag:
        stage_task(name, model, "reconcile", calls.reconcile)
    return dag


globals().update(model_dags("reconcile", build))

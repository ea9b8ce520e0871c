"""Removes task containers that nobody waits for: ended ones after ten minutes, running ones past their deadline.

A task removes its own container. This one is for what is left where a worker was killed and its task not tried again.
Scheduled where stages run in containers.
"""

from __future__ import annotations

from datetime import UTC, datetime, timedelta

from airflow.sdk import DAG
from evergreen_dags import TAG
from evergreen_reaper import ReapTask
from evergreen_runtime import chosen

from pipelines.config.settings import Runtime

with DAG(
    "evergreen__maintenance",
    doc_md=__doc__,
    start_date=datetime(2026, 1, 1, tzinfo=UTC),
    schedule=timedelta(minutes=10) if chosen() is Runtime.DOCKER else None,
    catchup=False,
    max_active_runs=1,
    dagrun_timeout=timedelta(minutes=5),
    tags=[TAG, "maintenance"],
    default_args={"owner": "evergreen"},
):
    ReapTask(task_id="reap")

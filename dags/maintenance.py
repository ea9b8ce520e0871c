"""Sees to what nobody waits for: every ten minutes, for all models.

`wake` announces retrainings that are asked for in a ledger and that no run has claimed: an event of Airflow may get
lost, a request does not; and rollbacks that a night has asked for. `compare` starts `<model>__reconcile` once an hour.
`send` sends the alerts that wait in the ledgers. `reap` removes task containers: ended ones after ten minutes, running
ones past their deadline. A task removes its own container; this one is for what is left where a worker was killed and
its task not tried again.
"""

from __future__ import annotations

from datetime import UTC, datetime, timedelta

from airflow.sdk import DAG
from evergreen_dags import TAG
from evergreen_reaper import ReapTask
from evergreen_upkeep import CompareTask, SendTask, WakeTask

with DAG(
    "evergreen__maintenance",
    doc_md=__doc__,
    start_date=datetime(2026, 1, 1, tzinfo=UTC),
    schedule=timedelta(minutes=10),
    catchup=False,
    max_active_runs=1,
    # Not longer than till the next: whoever sends beside another tells things twice.
    dagrun_timeout=timedelta(minutes=10),
    tags=[TAG, "maintenance"],
    # A server that is just coming up should not leave a red mark.
    default_args={"owner": "evergreen", "retries": 2, "retry_delay": timedelta(seconds=20)},
):
    ReapTask(task_id="reap")
    WakeTask(task_id="wake")
    CompareTask(task_id="compare")
    SendTask(task_id="send")

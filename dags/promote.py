"""Makes a challenger that passed its gates the champion.

Started by `evergreen/<model>/challenger`, or by hand with the id of a run. The ledger decides: the gates are judged
again if the champion changed meanwhile, and promoting twice changes nothing.

In `promotion: manual`, `approval` asks a person first, with the gates and the metrics before them; who is silent until
the deadline has rejected. The answer is recorded in the ledger, and `promote` demands that record.
"""

from __future__ import annotations

from datetime import timedelta
from typing import Any

import evergreen_calls as calls
from airflow.sdk import DAG, BaseOperator, Param
from evergreen_dags import dag_arguments, model_dags
from evergreen_tasks import asset, limit, retrying, stage_task

from pipelines.config.model import Model
from pipelines.config.names import Promotion

PARAMS = {
    "run": Param(
        None,
        type=["null", "string"],
        pattern=r"^[0-9]{4}-[0-9]{2}-[0-9]{2}-[0-9]{8}T[0-9]{6}Z-[0-9a-f]{6}$",
        maxLength=34,
        title="Run",
        description_md="Id of the run to promote, as `evergreen status` shows it. Empty: the one that triggered this.",
    ),
}


def build(name: str, model: Model) -> DAG:
    """`<name>__promote`."""
    schedule, asks = [asset(name, "challenger")], model.promotion is Promotion.MANUAL
    arguments = dag_arguments(name, model, __doc__) | (patience(model) if asks else {})
    with DAG(f"{name}__promote", params=PARAMS, schedule=schedule, **arguments) as dag:
        promote = stage_task(name, model, "promote", calls.promote(name), announces="champion")
        if asks:
            approval(name, model) >> promote
    return dag


def patience(model: Model) -> dict[str, Any]:
    """For a DAG that asks: the deadline on top, and one question may be open while the next is asked."""
    return {"dagrun_timeout": limit(model) + timedelta(hours=model.approval.deadline_hours), "max_active_runs": 8}


def approval(name: str, model: Model) -> BaseOperator:
    """The task that asks; its module is imported by those DAGs alone that have one."""
    from evergreen_approval import ApprovalTask

    return ApprovalTask(task_id="approval", model=name, config=model, **retrying(name, model))


globals().update(model_dags("promote", build))

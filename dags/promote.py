"""Makes a challenger that passed its gates the champion.

Started by `evergreen/<model>/challenger`, or by hand with the id of a run. The ledger decides: the gates are judged
again if the champion changed meanwhile, and promoting twice changes nothing.
"""

from __future__ import annotations

import evergreen_calls as calls
from airflow.sdk import DAG, Param
from evergreen_dags import dag_arguments, model_dags
from evergreen_tasks import asset, stage_task

from pipelines.config.model import Model

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
    schedule = [asset(name, "challenger")]
    with DAG(f"{name}__promote", params=PARAMS, schedule=schedule, **dag_arguments(name, model, __doc__)) as dag:
        stage_task(name, model, "promote", calls.promote(name), announces="champion")
    return dag


globals().update(model_dags("promote", build))

"""Takes a champion back: an earlier version becomes champion again, after proof that it loads and says what it said.

By hand with a version and a reason; or started by `evergreen/<model>/rollback` where `rollback.automatic` is on and a
night saw its bound breached. A version that is lost or damaged is refused, and nothing changes.
"""

from __future__ import annotations

import evergreen_calls as calls
from airflow.sdk import DAG, Param
from evergreen_dags import dag_arguments, model_dags
from evergreen_tasks import asset, stage_task

from pipelines.config.model import Model

PARAMS = {
    "to": Param(
        None,
        type=["null", "integer"],
        minimum=1,
        maximum=10**9,
        title="Version",
        description_md="The version to go back to, as MLflow counts. Empty: the champion before.",
    ),
    "reason": Param(
        None,
        type=["null", "string"],
        maxLength=500,
        pattern=r"^(?![\s\S]*[\u0000-\u001f\u007f-\u009f\u2028\u2029])",
        title="Reason",
        description_md="Why; needed, and kept for ever.",
    ),
}


def build(name: str, model: Model) -> DAG:
    """`<name>__rollback`."""
    schedule = [asset(name, "rollback")]
    with DAG(f"{name}__rollback", params=PARAMS, schedule=schedule, **dag_arguments(name, model, __doc__)) as dag:
        stage_task(name, model, "rollback", calls.rollback, announces="champion")
    return dag


globals().update(model_dags("rollback", build))

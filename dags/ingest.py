"""Takes days of source data into the model's ledger.

Every partition of the days `from` to `to` is fetched, hashed, checked against the model's expectations, and accepted or
quarantined. What is there already is left alone, so that running it again does no harm.
"""

from __future__ import annotations

import evergreen_calls as calls
from airflow.sdk import DAG, Param
from evergreen_dags import dag_arguments, model_dags
from evergreen_tasks import stage_task

from pipelines.config.model import Model

PARAMS = {
    "from": Param(type="string", format="date", title="From", description_md="First day, `YYYY-MM-DD`."),
    "to": Param(
        None,
        type=["null", "string"],
        format="date",
        title="To",
        description_md="Last day, inclusive. Empty: the first day alone.",
    ),
}


def build(name: str, model: Model) -> DAG:
    """`<name>__ingest`."""
    with DAG(f"{name}__ingest", params=PARAMS, schedule=None, **dag_arguments(name, model, __doc__)) as dag:
        stage_task(name, model, "ingest", calls.ingest)
    return dag


globals().update(model_dags("ingest", build))

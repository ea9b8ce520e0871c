"""The night of one day: take its data in, score it, monitor it, and decide whether to retrain.

`ingest` waits, without holding a worker, for partitions that are missing: at most `schedule.wait_hours`, then it goes
on and an alert says so. It also takes what came late, or corrected, for the days before. `score` lets the champion
predict the day from what was known before it (skipped while there is no champion), `monitor` measures drift and
quality, `decide` records one decision. Where that is to retrain, `evergreen/<model>/retrain` is announced, which starts
`<model>__retrain`. A backfilled night records and never retrains. Every task may be repeated.
"""

from __future__ import annotations

import evergreen_night as night
from airflow.sdk import DAG, Param, TriggerRule, chain
from evergreen_dags import dag_arguments, model_dags
from evergreen_tasks import stage_task

from pipelines.config.model import Model

PARAMS = {
    "day": Param(
        None,
        type=["null", "string"],
        format="date",
        title="Day",
        description_md="The day whose data this night takes in. Empty: the newest one that has ended.",
    )
}


def build(name: str, model: Model) -> DAG:
    """`<name>__nightly`."""
    arguments = dag_arguments(name, model, __doc__) | night.span(model)
    with DAG(f"{name}__nightly", params=PARAMS, schedule=night.timetable(model), **arguments) as dag:
        ingest = stage_task(name, model, "ingest", night.ingest(model))
        score = stage_task(name, model, "score", night.step(model))
        # Also when there was nothing to score.
        more = {"trigger_rule": TriggerRule.NONE_FAILED}
        monitor = stage_task(name, model, "monitor", night.step(model), **more)
        decide = stage_task(name, model, "decide", night.step(model), announces="retrain", **more)
        chain(ingest, score, monitor, decide)
    return dag


globals().update(model_dags("nightly", build))

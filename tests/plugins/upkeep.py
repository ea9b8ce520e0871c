"""Runs maintenance's tasks outside Airflow, in their order; what became of them as JSON on stdout. See drive.py."""

from __future__ import annotations

import json
import sys
from types import SimpleNamespace
from typing import Any

import evergreen_alarm
import evergreen_upkeep

from pipelines.config import settings as configuration
from pipelines.config.load import load_model


def perform(kind: str) -> dict[str, Any]:
    """`wake`, `send`, or `failed`: a task that failed for good."""
    woken: list[str] = []
    events = SimpleNamespace(add=lambda target, extra: woken.append(f"{target.name} {extra['woken']}"))
    ti = SimpleNamespace(
        dag_id="tiny__retrain", run_id="r", task_id="train", try_number=3, log_url="http://airflow/dags/tiny__retrain"
    )
    context = {"outlet_events": dict.fromkeys([evergreen_upkeep.AssetAlias("evergreen/wake")], events), "ti": ti}
    if kind == "failed":
        model = load_model(configuration.load().models / "tiny")
        evergreen_alarm.on_failure("tiny", model)(context | {"exception": RuntimeError("out of memory")})
        return {}
    task = {"wake": evergreen_upkeep.WakeTask, "send": evergreen_upkeep.SendTask}[kind](task_id=kind)
    try:
        task.execute(context)
    except Exception as error:  # the kind of exception is what is asked
        return {"raised": type(error).__name__, "message": str(error), "woken": woken}
    return {"woken": woken}


if __name__ == "__main__":
    sys.stdout.write("\nDONE " + json.dumps([perform(kind) for kind in sys.argv[1:]]) + "\n")

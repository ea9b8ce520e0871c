"""Runs maintenance's tasks outside Airflow, in their order; what became of them as JSON on stdout. See drive.py."""

from __future__ import annotations

import json
import sys
from datetime import UTC, datetime
from types import SimpleNamespace
from typing import Any

import evergreen_alarm
import evergreen_upkeep

from pipelines.config import settings as configuration
from pipelines.config.load import load_model


def perform(kind: str) -> dict[str, Any]:
    """`wake`, `send`, `compare MINUTE`, or `failed`: a task that failed for good."""
    woken: list[str] = []
    events = SimpleNamespace(
        add=lambda target, extra=None: woken.append(f"{target.name} {extra['woken']}" if extra else target.name)
    )
    ti = SimpleNamespace(
        dag_id="tiny__retrain", run_id="r", task_id="train", try_number=3, log_url="http://airflow/dags/tiny__retrain"
    )
    minute = int(kind.partition(" ")[2] or 0)
    aliases = [evergreen_upkeep.AssetAlias(f"evergreen/{what}") for what in ("wake", "compare")]
    run = SimpleNamespace(run_after=datetime(2026, 1, 1, 3, minute, tzinfo=UTC))
    context = {"outlet_events": dict.fromkeys(aliases, events), "ti": ti, "dag_run": run}
    if kind == "failed":
        model = load_model(configuration.load().models / "tiny")
        evergreen_alarm.on_failure("tiny", model)(context | {"exception": RuntimeError("out of memory")})
        return {}
    name = kind.partition(" ")[0]
    tasks = {
        "wake": evergreen_upkeep.WakeTask,
        "send": evergreen_upkeep.SendTask,
        "compare": evergreen_upkeep.CompareTask,
    }
    task = tasks[name](task_id=name)
    try:
        task.execute(context)
    except Exception as error:  # the kind of exception is what is asked
        return {"raised": type(error).__name__, "message": str(error), "woken": woken}
    return {"woken": woken}


if __name__ == "__main__":
    sys.stdout.write("\nDONE " + json.dumps([perform(kind) for kind in sys.argv[1:]]) + "\n")

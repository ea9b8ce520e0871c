"""Runs stage tasks outside Airflow: cases as JSON on stdin, what became of them as JSON on stdout.

A process of its own, because importing Airflow reads configuration, sets up logging and warns.
"""

from __future__ import annotations

import json
import sys
from datetime import datetime
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import evergreen_calls
import evergreen_tasks
from evergreen_process import ProcessRuntime

from pipelines.config import settings as configuration
from pipelines.config.load import load_model


class Events(dict):
    """Stands in for Airflow's outlet events: keeps what is added."""

    def __missing__(self, alias: Any) -> Any:
        self[alias] = SimpleNamespace(
            add=lambda target, extra: self.setdefault("added", []).append([target.name, extra])
        )
        return self[alias]


def drive(case: dict[str, Any]) -> dict[str, Any]:
    run = SimpleNamespace(
        dag_id=case.get("dag", "tiny__retrain"),
        run_id=case.get("run_id", "manual__1"),
        run_type=case.get("run_type", "manual"),
        run_after=datetime.fromisoformat("2026-01-02T03:04:05+00:00"),
        triggering_user_name=case.get("by"),
    )
    events = [
        SimpleNamespace(extra=extra, timestamp=number) for number, extra in enumerate(case.get("triggered_by", []))
    ]
    outlets = Events()
    context = {
        "ti": SimpleNamespace(try_number=case.get("attempt", 1), xcom_pull=lambda **_: case.get("pulled")),
        "dag_run": run,
        "params": case.get("params", {}),
        "outlet_events": outlets,
        "triggering_asset_events": {evergreen_tasks.asset("tiny", "challenger"): events} if events else {},
    }
    call = getattr(evergreen_calls, case["call"])
    if case["call"] in ("snapshot", "promote"):
        call = call(case.get("model", "tiny"))
    model = load_model(configuration.load().models / "tiny")
    if case["call"] == "register":
        call = call(model)
    task = evergreen_tasks.stage_task("tiny", model, case["stage"], call, announces=case.get("announces"))
    context["task"] = task
    task.runtime = ProcessRuntime(Path(case["executable"]))
    try:
        found: dict[str, Any] = {"returned": task.execute(context)}
    except Exception as error:  # the kind of exception is what is asked
        found = {"raised": type(error).__name__, "message": str(error)}
    links = {link.name: link.get_link(task, ti_key=None) for link in task.operator_extra_links}
    return found | {"announced": outlets.get("added", [])} | ({"links": links} if links else {})


if __name__ == "__main__":
    sys.stdout.write("\nDRIVEN " + json.dumps([drive(case) for case in json.load(sys.stdin)]) + "\n")

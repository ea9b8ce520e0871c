"""Runs container tasks as Airflow's task process does, SIGTERM included; how each ended as JSON on a line."""

from __future__ import annotations

import json
import signal
import sys
from datetime import timedelta
from types import SimpleNamespace
from typing import Any

from evergreen_docker import ContainerStageTask
from evergreen_tasks import Call, Stage

from pipelines.config.resources import Allowance


def drive(case: dict[str, Any]) -> dict[str, Any]:
    call = Call(run=case.get("run", "2024-01-20-20260102T030405Z-0123ab"), params=case["params"])
    allowance = Allowance(**{"cpus": 1.0, "memory": "256MiB", "tmp": "64MiB", **case.get("allowance", {})})
    stage = Stage("tiny", case.get("stage", "train"), lambda _: call, None, allowance, timedelta(hours=1))
    task = ContainerStageTask(stage=stage, task_id="train")
    signal.signal(signal.SIGTERM, lambda *_: task.on_kill())
    run = SimpleNamespace(dag_id="tiny__retrain", run_id=case["dag_run"])
    context = {"ti": SimpleNamespace(try_number=case.get("attempt", 1)), "dag_run": run, "outlet_events": {}}
    try:
        return {"returned": task.execute(context)}  # type: ignore[arg-type]
    except Exception as error:  # the kind of exception is what is asked
        return {"raised": type(error).__name__, "message": str(error)}


if __name__ == "__main__":
    for one in json.loads(sys.argv[1]):
        sys.stdout.write(f"ENDED {json.dumps(drive(one))}\n")
        sys.stdout.flush()

"""Parses the DAG folder as Airflow's processor does, and prints what is in it as JSON.

A process of its own, because importing Airflow reads configuration, sets up logging and warns.
"""

from __future__ import annotations

import json
import sys
import time
from pathlib import Path
from typing import Any

from airflow.dag_processing.dagbag import DagBag


def watched(timetable: Any) -> list[str]:
    condition = getattr(timetable, "asset_condition", None)
    return sorted(item.name for item in getattr(condition, "objects", []))


def seconds(timetable: Any) -> float | None:
    delta = getattr(timetable, "_delta", getattr(timetable, "delta", None))
    return delta and delta.total_seconds()


def describe(dag: Any) -> dict[str, Any]:
    return {
        "tasks": {
            task.task_id: {
                "downstream": sorted(task.downstream_task_ids),
                "retries": task.retries,
                "delay": task.retry_delay.total_seconds(),
                "backoff": task.retry_exponential_backoff,
                "max_delay": task.max_retry_delay and task.max_retry_delay.total_seconds(),
                "outlets": [outlet.name for outlet in task.outlets],
                "templates": list(task.template_fields),
                "owner": task.owner,
                "rule": str(task.trigger_rule.value),
                "kind": type(task).__name__,
            }
            for task in dag.tasks
        },
        "params": {
            name: {"default": dag.params.get_param(name).value, **dag.params.get_param(name).schema}
            for name in dag.params
        },
        "schedule": watched(dag.timetable),
        "delta": seconds(dag.timetable),
        "cron": getattr(dag.timetable, "expression", None),
        "zone": str(getattr(dag.timetable, "timezone", "")),
        "start": dag.start_date and dag.start_date.isoformat(),
        "end": dag.end_date and dag.end_date.isoformat(),
        "max_active_runs": dag.max_active_runs,
        "catchup": dag.catchup,
        "timeout": dag.dagrun_timeout and dag.dagrun_timeout.total_seconds(),
        "tags": sorted(dag.tags),
        "doc": dag.doc_md,
        "description": dag.description,
    }


if __name__ == "__main__":
    began = time.perf_counter()
    bag = DagBag(Path(sys.argv[1]))
    found = {
        "seconds": time.perf_counter() - began,
        "errors": bag.import_errors,
        "modules": sorted({name.split(".")[0] for name in sys.modules}),
        "files": {dag_id: Path(dag.fileloc).name for dag_id, dag in bag.dags.items()},
        "dags": {dag_id: describe(dag) for dag_id, dag in bag.dags.items()},
    }
    sys.stdout.write("\nPARSED " + json.dumps(found, default=str) + "\n")

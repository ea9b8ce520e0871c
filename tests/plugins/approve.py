"""Runs the approval task outside Airflow: cases as JSON on stdin, what became of them on stdout. See drive.py."""

from __future__ import annotations

import json
import sys
from datetime import UTC, datetime
from types import SimpleNamespace
from typing import Any

import evergreen_approval
from airflow.providers.standard.operators import hitl
from evergreen_tasks import asset

from pipelines.config import settings as configuration
from pipelines.config.load import load_model

ASKED: list[dict[str, Any]] = []
hitl.upsert_hitl_detail = lambda **detail: ASKED.append(detail)


def announced(case: dict[str, Any]) -> dict[Any, list[Any]]:
    """The event of the challenger, if the case has a card: as `register` sends it, after that of another run."""
    extras = [{"run": "another", "card": "x"}, {"run": case["run"], "card": case["card"]}] if "card" in case else []
    return {asset("tiny", "challenger"): [SimpleNamespace(extra=extra) for extra in extras]}


def perform(case: dict[str, Any]) -> dict[str, Any]:
    """Ask, or (`answer`) be answered; what it returned, raised, asked and had skipped."""
    ASKED.clear()
    model = load_model(configuration.load().models / "tiny")
    task = evergreen_approval.ApprovalTask(task_id="approval", model="tiny", config=model)
    skipped: list[Any] = []
    task.skip = lambda **found: skipped.append(list(found["tasks"]))
    task.downstream_task_ids = {"promote"}
    task.get_direct_relatives = lambda **_: []
    run = SimpleNamespace(dag_id="tiny__promote", run_id="r", run_type="manual")
    context = {
        "ti": None,
        "task_instance": SimpleNamespace(id="ti"),
        "task": task,
        "dag_run": run,
        "params": {"run": case["run"]},
        "triggering_asset_events": announced(case),
    }
    try:
        found: dict[str, Any] = {"returned": None}
        if "answer" in case:
            event = {
                "params_input": {},
                "responded_at": datetime(2026, 1, 2, 3, case["minute"], tzinfo=UTC),
                "timedout": False,
            }
            task.execute_complete(context, event | case["answer"])
        else:
            task.execute(context)
    except BaseException as error:  # the kind of exception is what is asked; Airflow's waits are no Exception
        found = {"raised": type(error).__name__, "message": str(error)}
    asked = [{key: item[key] for key in ("subject", "body", "defaults", "assigned_users")} for item in ASKED]
    return found | {"asked": asked, "skipped": bool(skipped)}


if __name__ == "__main__":
    sys.stdout.write("\nDONE " + json.dumps([perform(case) for case in json.load(sys.stdin)]) + "\n")

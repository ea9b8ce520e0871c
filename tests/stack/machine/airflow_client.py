"""Airflow's API as the stories need it: the demo's client, and what a test wants to look at besides."""

from __future__ import annotations

import contextlib
import json
from dataclasses import dataclass
from datetime import datetime
from typing import Any
from urllib.parse import quote

from stack.machine.place import say, wait_for

from pipelines.demo.airflow_api import FINISHED, Airflow, Task
from pipelines.errors import PassingFault


@dataclass
class Client(Airflow):
    """Airflow over REST."""

    def ready(self, *dags: str, seconds: float = 180) -> None:
        """Wait until these DAGs have been parsed, even if Airflow is just coming up."""

        def known() -> bool:
            with contextlib.suppress(PassingFault):
                return all(self.knows(dag) for dag in dags)
            return False

        wait_for(known, f"Airflow knows {', '.join(dags)}", seconds, poll=1)

    def ended(self, dag: str, run: str, seconds: float = 600) -> str:
        """How a run has ended, however often Airflow goes away meanwhile; its tasks are told when it does not end."""

        def finished() -> str | None:
            with contextlib.suppress(PassingFault):
                return now if (now := self.state(dag, run)) in FINISHED else None
            return None

        try:
            return str(wait_for(finished, f"{dag} {run}", seconds, 1))
        except AssertionError:
            say(f"{dag} {run}: {self.tasks(dag, run)}")
            raise

    def succeeds(self, dag: str, run: str, conf: dict[str, Any], seconds: float = 600) -> None:
        """Trigger a run and see it through to success; a failure shows the log of the task that failed."""
        self.trigger(dag, run, conf)
        self.well(dag, run, seconds)

    def well(self, dag: str, run: str, seconds: float = 600) -> None:
        """See a run that has been triggered through to success, as `succeeds` does."""
        state = self.ended(dag, run, seconds)
        assert state == "success", self.failure(dag, run)

    def pause(self, dag: str, paused: bool = True) -> None:
        """Let a DAG's schedule rest, or go on."""
        self._ask("PATCH", f"/dags/{quote(dag)}", {"is_paused": paused})

    def failure(self, dag: str, run: str) -> str:
        """What the failed tasks of a run have said last."""
        failed = [task for task in self.tasks(dag, run) if task.state == "failed"]
        logs = [f"{task.name}: {self.text_of(dag, run, task.name, task.attempt)[-2500:]}" for task in failed]
        return f"{dag} {run} failed\n" + "\n".join(logs)

    def task(self, dag: str, run: str, name: str) -> Task:
        """One task of a run."""
        return next(task for task in self.tasks(dag, run) if task.name == name)

    def spans(self, dag: str, run: str) -> dict[str, tuple[datetime, datetime]]:
        """Start and end of each task that has run."""
        return {
            row["task_id"]: (datetime.fromisoformat(row["start_date"]), datetime.fromisoformat(row["end_date"]))
            for row in self._instances(dag, run)
            if row["start_date"] and row["end_date"]
        }

    def text_of(self, dag: str, run: str, task: str, attempt: int = 1) -> str:
        """The log of one try, as text."""
        path = f"{_run(dag, run)}/taskInstances/{quote(task)}/logs/{attempt}?full_content=true"
        return json.dumps(self._ask("GET", path, none_on=404) or {}, ensure_ascii=False)

    def logs(self, dag: str, run: str) -> str:
        """The logs of all tries of all tasks."""
        tries = [(task.name, attempt) for task in self.tasks(dag, run) for attempt in range(1, task.attempt + 1)]
        return "\n".join(self.text_of(dag, run, *each) for each in tries)

    def xcoms(self, dag: str, run: str) -> dict[str, Any]:
        """What each task has returned."""
        found: dict[str, Any] = {}
        for task in self.tasks(dag, run):
            path = f"{_run(dag, run)}/taskInstances/{quote(task.name)}/xcomEntries"
            for entry in (self._ask("GET", path, none_on=404) or {}).get("xcom_entries", []):
                value = self._ask("GET", f"{path}/{quote(entry['key'])}", none_on=404) or {}
                found[f"{task.name}.{entry['key']}"] = value.get("value")
        return found

    def everything(self, dag: str, run: str) -> str:
        """All that the API tells of a run: rendered fields, configuration, events; for the search of secrets."""
        told = [
            self._ask("GET", _run(dag, run)),
            self._instances(dag, run),
            self.xcoms(dag, run),
            self._ask("GET", f"/eventLogs?dag_id={quote(dag)}&limit=100", none_on=403),
        ]
        return json.dumps(told, ensure_ascii=False)

    def runs(self, dag: str) -> dict[str, str]:
        """The runs of a DAG and their states."""
        found = self._ask("GET", f"/dags/{quote(dag)}/dagRuns?limit=100") or {}
        return {run["dag_run_id"]: run["state"] for run in found["dag_runs"]}

    def _instances(self, dag: str, run: str) -> list[dict[str, Any]]:
        found = self._ask("GET", f"{_run(dag, run)}/taskInstances?limit=100") or {}
        rows: list[dict[str, Any]] = found["task_instances"]
        return rows


def _run(dag: str, run: str) -> str:
    return f"/dags/{quote(dag)}/dagRuns/{quote(run, safe='')}"

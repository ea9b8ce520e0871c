"""The little of Airflow's public API that the demo needs."""

from __future__ import annotations

import json
import time
import urllib.error
import urllib.request
from dataclasses import dataclass, field
from datetime import datetime
from typing import Any
from urllib.parse import quote

from pipelines.errors import EvergreenError, PassingFault, shorten

TIMEOUT = 20.0
ATTEMPTS = 4
PAUSE = 1.0
FINISHED = ("success", "failed")


@dataclass(frozen=True)
class Task:
    """One task of a DAG run. `seconds` is None until it has run; `attempt` counts from 1, 0 before the first."""

    name: str
    state: str
    seconds: float | None
    attempt: int


@dataclass
class Airflow:
    """Airflow at `address`, spoken to as `user`."""

    address: str
    user: str
    password: str = field(repr=False)
    _token: str = field(default="", repr=False)

    def knows(self, dag: str) -> bool:
        """Whether `dag` has been parsed already."""
        return self._ask("GET", f"/dags/{quote(dag)}", none_on=404) is not None

    def trigger(self, dag: str, run: str, conf: dict[str, Any]) -> bool:
        """Start run `run` of `dag`; False when there is one of that name already, which is left alone."""
        body = {"logical_date": None, "dag_run_id": run, "conf": conf}
        return self._ask("POST", f"/dags/{quote(dag)}/dagRuns", body, none_on=409) is not None

    def state(self, dag: str, run: str) -> str | None:
        """`queued`, `running`, `success` or `failed`; None when there is no such run."""
        found = self._ask("GET", _run(dag, run), none_on=404)
        return None if found is None else str(found["state"])

    def tasks(self, dag: str, run: str) -> list[Task]:
        """The tasks of a run in the order in which they started; those that have not come last."""
        found = self._ask("GET", f"{_run(dag, run)}/taskInstances?limit=100") or {}
        rows = sorted(found["task_instances"], key=lambda row: row["start_date"] or "9")
        return [Task(row["task_id"], row["state"] or "waiting", row["duration"], row["try_number"]) for row in rows]

    def times(self, dag: str, run: str) -> tuple[datetime, datetime]:
        """When a finished run was asked for, and when it ended."""
        found = self._ask("GET", _run(dag, run)) or {}
        asked = found["queued_at"] or found["start_date"]
        return datetime.fromisoformat(asked), datetime.fromisoformat(found["end_date"])

    def retry(self, dag: str, run: str) -> None:
        """Let the failed tasks of a run have another try."""
        self._ask("POST", f"{_run(dag, run)}/clear", {"dry_run": False, "only_failed": True})

    def caused(self, dag: str, run: str) -> list[tuple[str, str]]:
        """The DAG runs, as (dag, run), that the asset events of a run have started."""
        query = f"/assets/events?source_dag_id={quote(dag)}&source_run_id={quote(run, safe='')}&limit=100"
        found = self._ask("GET", query) or {}
        events = found["asset_events"]
        return [(item["dag_id"], item["run_id"]) for event in events for item in event["created_dagruns"]]

    def announced(self, dag: str, run: str) -> int:
        """How many asset events a run has made."""
        query = f"/assets/events?source_dag_id={quote(dag)}&source_run_id={quote(run, safe='')}&limit=100"
        return int((self._ask("GET", query) or {})["total_entries"])

    def log(self, dag: str, run: str, task: Task) -> list[dict[str, Any]]:
        """The entries of the log of a task's last try."""
        path = f"{_run(dag, run)}/taskInstances/{quote(task.name)}/logs/{task.attempt}?full_content=true"
        content = (self._ask("GET", path, none_on=404) or {}).get("content", [])
        return [entry for entry in content if isinstance(entry, dict)] if isinstance(content, list) else []

    def _ask(self, method: str, path: str, body: Any = None, *, none_on: int = 0) -> dict[str, Any] | None:
        try:
            return self._patiently(method, path, body)
        except urllib.error.HTTPError as error:
            with error:
                if error.code == none_on:
                    return None
                detail = shorten(error.read().decode("utf-8", "replace"), 150)
                raise EvergreenError(
                    f"{method} {path} was answered {error.code}: {detail}",
                    where="Airflow",
                    remedy="see the log of its api-server",
                ) from None
        except OSError as error:
            raise PassingFault(f"does not answer: {error}", where=self.address, remedy="`evergreen up`") from None

    def _patiently(self, method: str, path: str, body: Any) -> dict[str, Any]:
        # Two writes at once can stall Airflow's api-server on SQLite for seconds, and end in 500; all we ask may be
        # repeated.
        for _ in range(ATTEMPTS - 1):
            try:
                return self._once(method, path, body)
            except urllib.error.HTTPError as error:
                if error.code < 500:
                    raise
                error.close()
            except TimeoutError:
                self._token = ""
            time.sleep(PAUSE)
        return self._once(method, path, body)

    def _once(self, method: str, path: str, body: Any) -> dict[str, Any]:
        if not self._token:
            login = {"username": self.user, "password": self.password}
            self._token = str(_send("POST", f"{self.address}/auth/token", login, {})["access_token"])
        return _send(method, f"{self.address}/api/v2{path}", body, {"Authorization": f"Bearer {self._token}"})


def _run(dag: str, run: str) -> str:
    return f"/dags/{quote(dag)}/dagRuns/{quote(run, safe='')}"


def _send(method: str, url: str, body: Any, headers: dict[str, str]) -> dict[str, Any]:
    data = None if body is None else json.dumps(body).encode()
    request = urllib.request.Request(  # noqa: S310 - our own address on loopback
        url, method=method, data=data, headers={"Content-Type": "application/json", **headers}
    )
    with urllib.request.urlopen(request, timeout=TIMEOUT) as answer:  # noqa: S310
        value: dict[str, Any] = json.loads(answer.read() or b"{}")
        return value

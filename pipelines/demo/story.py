"""The story that `make demo` tells: real flights, two retrainings in a real Airflow, champion against challenger, and
then five nights, each of which decides for itself."""

from __future__ import annotations

import json
import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from pipelines.config.settings import Settings
from pipelines.demo import lake, nights, table
from pipelines.demo.airflow_api import FINISHED, Airflow, Task
from pipelines.demo.days import AS_OF, FIRST, LAST, MODEL
from pipelines.demo.table import DagRun
from pipelines.errors import EvergreenError, PassingFault, shorten
from pipelines.services import airflow_config, components, up

Progress = Callable[[str], None]
POLL_SECONDS = 0.5
SAY_SECONDS = 2.0
PARSE_SECONDS = 120.0
RUN_SECONDS = 1800.0
# An asset event becomes a DAG run at the scheduler's next loop.
EVENT_SECONDS = 60.0


@dataclass
class Story:
    """What telling it needs: where Airflow is, and whom to tell. `changed`: has this telling done anything?"""

    settings: Settings
    airflow: Airflow
    progress: Progress
    changed: bool = False
    _said: float = field(default_factory=time.monotonic)

    def run(self, dag: str, run: str, conf: dict[str, str]) -> None:
        """See run `run` of `dag` through to success: start it, wait for it, or take it up where it failed before."""
        self._wait_until_parsed(dag)
        before = self.airflow.state(dag, run)
        if before == "success":
            self.progress(f"{dag} {run}: done before")
            return
        self.changed = True
        if before == "failed":
            self.progress(f"{dag} {run}: failed before, trying again")
            self.airflow.retry(dag, run)
        elif self.airflow.trigger(dag, run, conf):
            self.progress(f"{dag} {run}: started")
        self.wait(dag, run)

    def wait(self, dag: str, run: str) -> None:
        """Wait until a run has ended; raises EvergreenError with its failed task's own words."""
        began = time.monotonic()
        while (state := self.airflow.state(dag, run)) not in FINISHED:
            self._say(lambda: f"{dag} {run}: {self._doing(dag, run)} ({time.monotonic() - began:.0f} s)")
            if time.monotonic() - began > RUN_SECONDS:
                raise PassingFault(
                    f"{run} is still {state} after {RUN_SECONDS:.0f} s", where=dag, remedy="look at it in Airflow"
                )
            time.sleep(POLL_SECONDS)
        if state == "failed":
            raise self._failure(dag, run)
        asked, ended = self.airflow.times(dag, run)
        self.progress(f"{dag} {run}: success after {(ended - asked).total_seconds():.0f} s")

    def follow(self, dag: str, run: str) -> list[tuple[str, str]]:
        """Wait for the runs that `run` has started by its asset events; returns them."""
        if not self.airflow.announced(dag, run):
            return []
        began = time.monotonic()
        while not (caused := self.airflow.caused(dag, run)):
            if time.monotonic() - began > EVENT_SECONDS:
                raise PassingFault(
                    "no DAG run has followed its asset event", where=f"{dag} {run}", remedy="see the scheduler's log"
                )
            self._say(lambda: f"{dag} {run}: waiting for what it has started")
            time.sleep(POLL_SECONDS)
        for item in caused:
            if self.airflow.state(*item) != "success":
                self.changed = True
                self.wait(*item)
        return caused

    def failure_of(self, dag: str, run: str, task: Task) -> tuple[str, str]:
        """What a failed task has said last, and where there is more."""
        home = airflow_config.folder(self.settings) / "logs"
        log = home / f"dag_id={dag}/run_id={run}/task_id={task.name}/attempt={task.attempt}.log"
        return error_line(log), str(log)

    def end(self, began: float, how: str) -> None:
        """Say what it was all for, and how to stop the services. `began` is on the monotonic clock."""
        if not self.changed:
            self.progress("all of this was done before; nothing has changed")
        self.progress(f"the demo took {time.monotonic() - began:.0f} s; {how}")

    def _wait_until_parsed(self, dag: str) -> None:
        began = time.monotonic()
        while not self.airflow.knows(dag):
            if time.monotonic() - began > PARSE_SECONDS:
                raise PassingFault(
                    f"Airflow does not know it after {PARSE_SECONDS:.0f} s",
                    where=dag,
                    remedy=f"see {self.settings.home / 'logs' / 'dag-processor.log'}",
                )
            self._say(lambda: f"waiting for Airflow to read {dag} ({time.monotonic() - began:.0f} s)")
            time.sleep(POLL_SECONDS)

    def _doing(self, dag: str, run: str) -> str:
        tasks = self.airflow.tasks(dag, run)
        busy = [f"{task.name} {task.state}" for task in tasks if task.state not in ("success", "waiting")]
        done = sum(task.state == "success" for task in tasks)
        return f"{', '.join(busy) or 'between tasks'}, {done} of {len(tasks)} done"

    def _failure(self, dag: str, run: str) -> EvergreenError:
        for task in self.airflow.tasks(dag, run):
            if task.state == "failed":
                what, log = self.failure_of(dag, run, task)
                return EvergreenError(what, where=f"{dag} {task.name}", remedy=f"see {log}")
        return EvergreenError("failed without a failed task", where=f"{dag} {run}", remedy="look at it in Airflow")

    def _say(self, line: Callable[[], str]) -> None:
        if time.monotonic() - self._said >= SAY_SECONDS:
            self._said = time.monotonic()
            self.progress(line())


def tell(settings: Settings, progress: Progress) -> None:
    """Tell the whole story and print its table; what is done already is left alone and said to be.

    Raises:
        EvergreenError: a step failed; the message ends with where its log is.
    """
    began = time.monotonic()
    facts = lake.lay_out_where(settings, progress)
    progress(facts.sentence())
    up(settings, progress)
    login = airflow_config.read_login(settings)
    story = Story(settings, Airflow(components.airflow_address(settings), login.user, login.password), progress)
    story.changed = facts.written > 0
    finish(story, chapters(story))
    table.addresses(settings)
    story.end(began, "`make down` stops the services")


def finish(story: Story, retrained: list[list[DagRun]]) -> None:
    """Tell the nights, then print all that was retrained and all that was decided."""
    told = nights.nights(story)
    runs = retrained + [chain for night in told for chain in night.started]
    table.show(story.settings, story.airflow, MODEL, runs)
    nights.show(story.settings, told)


def chapters(story: Story) -> list[list[DagRun]]:
    """Ingest, and two retrainings with what each has started; returns those."""
    story.run(f"{MODEL}__ingest", f"demo-{FIRST}-to-{LAST}", {"from": FIRST, "to": LAST})
    retrain = f"{MODEL}__retrain"
    runs = []
    for as_of in AS_OF:
        run = f"demo-as-of-{as_of}"
        story.run(retrain, run, {"as_of": as_of, "promotion": "auto", "note": f"demo, as of {as_of}"})
        followed = story.follow(retrain, run)
        if not followed:
            story.progress(f"{retrain} {run}: the gates refused the challenger; the champion stays")
        runs.append([(retrain, run), *followed])
    return runs


def error_line(log: Path) -> str:
    """The last error in a task's log, as Airflow writes it: one JSON object a line."""
    if not log.exists():
        return "failed before it could write a log"
    return last_error([_parsed(line) for line in log.read_text(errors="replace").splitlines()])


def last_error(entries: Sequence[dict[str, Any]]) -> str:
    """The last error among the entries of a task's log."""
    for entry in reversed(entries):
        for detail in entry.get("error_detail") or []:
            return shorten(str(detail["exc_value"]), 250)
    errors = [str(entry.get("event")) for entry in entries if entry.get("level") in ("error", "critical")]
    return shorten(errors[-1], 250) if errors else "failed without an error in its log"


def _parsed(line: str) -> dict[str, Any]:
    try:
        value = json.loads(line)
    except ValueError:
        return {}
    return value if isinstance(value, dict) else {}

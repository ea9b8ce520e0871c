"""The demo's nights: five in a row, each deciding for itself; a retraining that one starts is seen through."""

from __future__ import annotations

import sys
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import date, timedelta
from typing import TYPE_CHECKING

from pipelines.config.settings import Settings
from pipelines.demo.days import LAST, MODEL, NIGHTS
from pipelines.demo.table import PLAIN_WIDTH, DagRun
from pipelines.ledger import verdicts
from pipelines.ledger.git import Ledger

if TYPE_CHECKING:
    from pipelines.demo.story import Story


@dataclass(frozen=True)
class Told:
    """A night's DAG run, and the chains of DAG runs that it has started: a retraining and what followed it."""

    day: date
    started: tuple[list[DagRun], ...]


def nights(story: Story) -> list[Told]:
    """See the nights through, one after the other, as they would come."""
    before = date.fromisoformat(LAST) + timedelta(days=1)
    if before < NIGHTS[0]:
        first, last = before.isoformat(), (NIGHTS[0] - timedelta(days=1)).isoformat()
        story.run(f"{MODEL}__ingest", f"demo-{first}-to-{last}", {"from": first, "to": last})
    return [_night(story, day) for day in NIGHTS]


def show(settings: Settings, told: Sequence[Told]) -> None:
    """Print what was decided, night by night, and why."""
    from rich.console import Console
    from rich.table import Table

    found = verdicts.newest(Ledger.open(settings, MODEL), NIGHTS[0], NIGHTS[-1])
    table = Table(title="Nights", title_justify="left")
    for heading in ("night", "verdict", "why", "it started"):
        table.add_column(heading, overflow="fold")
    for night in told:
        entry = found[night.day]
        runs = ", ".join(dag.removeprefix(f"{MODEL}__") for chain in night.started for dag, _ in chain)
        table.add_row(str(night.day), entry["verdict"], entry["sentence"], runs)
    Console(width=None if sys.stdout.isatty() else PLAIN_WIDTH).print(table)


def _night(story: Story, day: date) -> Told:
    dag, run = f"{MODEL}__nightly", f"demo-night-{day}"
    story.run(dag, run, {"day": day.isoformat()})
    chains = ([retrain, *story.follow(*retrain)] for retrain in story.follow(dag, run))
    return Told(day, tuple(chain for chain in chains if _did_something(story, *chain[0])))


def _did_something(story: Story, dag: str, run: str) -> bool:
    """Whether a run is more than an event that came when all was done."""
    return any(task.state == "success" for task in story.airflow.tasks(dag, run))

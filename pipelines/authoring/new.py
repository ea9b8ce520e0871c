"""`evergreen new`: from one parquet or CSV file to a model folder that ingests, checks and trains as it stands."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from pathlib import Path

from pipelines.authoring.columns import Column, Use, survey
from pipelines.authoring.infer import Target, infer
from pipelines.authoring.keys import find_key, numbered
from pipelines.authoring.layout import lake_folder, refuse_existing, write_folder, write_partitions
from pipelines.authoring.model_text import Draft, left_out_lines
from pipelines.authoring.plan import plan
from pipelines.authoring.source import Events, Request, read_events
from pipelines.authoring.strength import LEAK, strengths, suspects
from pipelines.authoring.trial import proven
from pipelines.config import names
from pipelines.config.model import Task
from pipelines.config.settings import Settings

Say = Callable[[str], None]
_KEY = "the key"


@dataclass(frozen=True)
class Report:
    """What was drafted, where it lies, and what its author should know."""

    draft: Draft
    lake: Path
    files: int
    folder: Path
    notes: tuple[str, ...]

    def render(self) -> str:
        """The report for people, ending with the commands to type next."""
        draft, events = self.draft, self.draft.events
        window = draft.plan.window
        own = len(draft.features)
        lines = [
            f"{draft.name}: a model of {events.label}, drafted from {draft.source}",
            "",
            f"task      {draft.target.task}: {draft.target.meaning}",
            f"label     {draft.target.balance}"
            + (f"; {draft.target.missing:.1%} of the rows have none" if draft.target.missing else ""),
            f"rows      {events.data.num_rows:,} on {len(events.days)} days, {events.first} to {events.last}",
            f"key       {', '.join(draft.key)}",
            f"features  {own} column{'' if own == 1 else 's'} of the file, the calendar, the label's past",
            f"window    train {window.train_days} days, of which {window.validation_days} to stop early; "
            f"test {window.test_days}; look back {window.lookback_days}",
            *(["", "note"] if self.notes else []),
            *(f"- {note}" for note in self.notes),
            "",
            "written",
            f"  {self.lake}/  {self.files} partitions",
            *(f"  {self.folder / name}" for name in ("model.yaml", "features.py", "expectations.yaml")),
            "",
            "next",
            f"  evergreen ingest {draft.name} --from {events.first} --to {events.last}",
            f"  evergreen check {draft.name}",
            f"  evergreen run {draft.name} --as-of {events.last}",
        ]
        return "\n".join(lines) + "\n"


def draft(settings: Settings, name: str, request: Request, say: Say, task: Task | None = None) -> Report:
    """Lay the file of `request` out in the lake by day and draft the model `name` that predicts its label.

    Raises:
        ConfigError: the name is taken or illegal, or the file, its label or its times cannot make a model.
        DataError: the file is damaged, too large, or holds what no partition may.
    """
    folder = settings.models / names.model_name(name)
    table = "events" if name == "labels" else name  # `labels` is the framework's own
    lake = lake_folder(settings, table)
    refuse_existing(folder, "a model of this name")
    events = read_events(request, say)
    say(f"looking at {events.data.num_rows:,} rows of {events.data.num_columns} columns")
    target = infer(events.data.column(events.label), events.label, task)
    drafted = _draft(name, table, request.path.name, events, target)
    texts, tried = proven(drafted, say)
    files = write_partitions(lake, drafted.events, say)
    write_folder(folder, texts)
    return Report(drafted, lake, files, folder, (*tried.notes, *_notes(drafted)))


def _draft(name: str, table: str, source: str, events: Events, target: Target) -> Draft:
    columns = survey(events)
    planned = plan(events, target)
    key = find_key(events, columns)
    if not key:
        events, key = numbered(events)
        columns = (*columns, Column(key[-1], "int64", Use.NONE, "numbers the rows of a day"))
    strength = strengths(events, columns, target)
    leaks = {name: value for name, value in strength.items() if value > LEAK}
    columns = tuple(replace(c, use=Use.NONE, why="tells the label") if c.name in leaks else c for c in columns)
    columns = _without_key(columns, key)
    doubted = suspects(events, columns, target, strength)
    return Draft(name, table, source, events, target, key, columns, leaks, doubted, strength, planned)


def _without_key(columns: tuple[Column, ...], key: Sequence[str]) -> tuple[Column, ...]:
    """A column that is the whole key says nothing that could be learnt."""
    if len(key) != 1:
        return columns
    return tuple(replace(c, use=Use.NONE, why=_KEY) if c.name == key[0] else c for c in columns)


def _notes(draft: Draft) -> tuple[str, ...]:
    """What the author should know, in order of weight."""
    measure = "R2" if draft.target.task is Task.REGRESSION else "AUC"
    leaks = [
        f"{name} alone tells the label ({measure} {value:.3f}): it is under after_event, where no feature sees it"
        for name, value in draft.leaks.items()
    ]
    doubts = [f"{name}: {why}; is it known before the event?" for name, why in draft.suspects.items()]
    left_out = [f"not used: {line}" for line in left_out_lines(c for c in draft.left_out if c.why != _KEY)]
    bare = [] if draft.features else ["no column of the file can be used: only the calendar and the label's past are"]
    meant = [f"{draft.events.label}: {draft.target.note}"] if draft.target.note else []
    return (*meant, *leaks, *doubts, *draft.plan.notes, *draft.events.notes, *bare, *left_out)

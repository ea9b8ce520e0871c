"""A night's ingest: the day itself, and for the days before it what came late or corrected. A missing partition is no
fault here: the night waits for it, or goes on without it."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from datetime import date, timedelta
from typing import Any

from pipelines.config import names
from pipelines.config.load import find_model, load_model
from pipelines.config.model import Model, Role
from pipelines.config.settings import Settings
from pipelines.errors import shorten
from pipelines.ledger.git import Ledger
from pipelines.night.ingest import days_of, ingest
from pipelines.night.report import Fate, Outcome
from pipelines.storage.lake import Source

# The result crosses into Airflow as at most 4 KB: of each kind, the first few; the ledger holds all.
SHOWN = 5


@dataclass(frozen=True)
class Taken:
    """What a night's ingest did. `missing` are tables that lack the day's partition (or their only one)."""

    day: date
    missing: tuple[str, ...]
    late: tuple[Outcome, ...]
    corrected: tuple[Outcome, ...]
    bad: tuple[Outcome, ...]
    accepted: int

    def to_json(self) -> dict[str, Any]:
        """For machines."""
        return {
            "day": self.day.isoformat(),
            "accepted": self.accepted,
            "missing": list(self.missing)[: 4 * SHOWN],
            "late": _named(self.late),
            "corrected": _named(self.corrected),
            "quarantined": [f"{item.table} {item.partition}: {_why(item)}" for item in self.bad[:SHOWN]],
        }


def take(settings: Settings, model_name: str, day: date, say: Callable[[str], None]) -> Taken:
    """Take in `day`, and what has changed in the `schedule.late_days` before it. Repeating it does no harm.

    Raises:
        ConfigError: the model folder is wrong, or `day` is outside its schedule.
        PassingFault: lake, remote or ledger cannot be reached; what was published stays.
    """
    model = load_model(find_model(settings.models, model_name))
    first = max(day - timedelta(days=model.schedule.late_days), min(model.schedule.start, day))
    if _anything(settings, model, days_of(model, first, day)):
        outcomes: Sequence[Outcome] = ingest(settings, model_name, first, day, say).outcomes
    else:
        say(f"the lake holds nothing from {first} to {day}")
        Ledger.open(settings, model_name, create=True)
        outcomes = [_nothing(name, model, day) for name in model.tables]
    return _taken(day, outcomes)


def _why(outcome: Outcome) -> str:
    return shorten("; ".join(outcome.reasons), 160)


def _taken(day: date, outcomes: Sequence[Outcome]) -> Taken:
    today = (day.isoformat(), names.STATIC)
    new = [item for item in outcomes if item.fate is Fate.ACCEPTED]
    return Taken(
        day=day,
        missing=tuple(item.table for item in outcomes if item.fate is Fate.MISSING and item.partition in today),
        late=tuple(item for item in new if item.revision == 1 and item.partition not in today),
        corrected=tuple(item for item in new if item.revision > 1),
        bad=tuple(item for item in outcomes if item.fate in (Fate.QUARANTINED, Fate.REFUSED)),
        accepted=len(new),
    )


def _anything(settings: Settings, model: Model, days: Sequence[str]) -> bool:
    source = Source(settings)
    return any(source.present(table, days) for table in model.tables.values() if table.role is not Role.STATIC)


def _nothing(table: str, model: Model, day: date) -> Outcome:
    static = model.tables[table].role is Role.STATIC
    return Outcome(table, names.STATIC if static else day.isoformat(), Fate.MISSING)


def _named(outcomes: Sequence[Outcome]) -> list[str]:
    shown = [f"{item.table} {item.partition} revision {item.revision}" for item in outcomes[:SHOWN]]
    return shown + ([f"and {len(outcomes) - SHOWN} more"] if len(outcomes) > SHOWN else [])

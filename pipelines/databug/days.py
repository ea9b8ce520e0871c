"""What the checks look at: the raw profiles of one table, the day's own and those of the weeks before it."""

from __future__ import annotations

from collections.abc import Collection, Iterator, Mapping
from dataclasses import dataclass, field, replace
from datetime import date
from typing import Any, Literal

from pipelines.databug.twins import twins_of

Profile = dict[str, Any]
MIN_HISTORY = 14  # days; with fewer, what is usual is not known
MISSING = 0.15  # of a day's rows more without a value than ever before: those that are left are others
MIN_ROWS = 20  # finite values (or rows) of a day; with fewer it says nothing about a distribution


@dataclass(frozen=True)
class Day:
    """One day of a raw table. `profile` is what `drift.profile` made of it."""

    day: date
    rows: int
    profile: Profile

    def column(self, name: str) -> Profile | None:
        """The profile of a column; None: the day's file had no such column."""
        found: Profile | None = self.profile["columns"].get(name)
        return found

    def null_share(self, name: str) -> float | None:
        """The share of the day's rows that have no value of column `name`; None: no such column, or no rows."""
        found = self.column(name)
        return found["nulls"] / found["count"] if found and found["count"] else None


@dataclass(frozen=True)
class DayProfiles:
    """A daily table on one day: `today` (None where nothing readable came) after `history`, oldest first.

    `state` says what became of the day's partition, `reasons` why, where it was quarantined. `edges` are the inner
    edges of each number column's histogram: a `hist` of n + 1 counts has n of them.
    """

    today: Day | None
    history: tuple[Day, ...]
    edges: Mapping[str, tuple[float, ...]] = field(default_factory=dict)
    state: Literal["accepted", "quarantined", "missing"] = "accepted"
    reasons: tuple[str, ...] = ()

    @property
    def comparable(self) -> bool:
        """Whether there is a day to judge, and enough before it to judge by."""
        return self.today is not None and self.today.rows > 0 and len(self.history) >= MIN_HISTORY

    def columns(self, kind: str) -> Iterator[tuple[str, Profile, list[Profile]]]:
        """Name, today's profile and earlier profiles of the columns that are and were of `kind` (`number`, `text`)."""
        for name, column in (self.today.profile["columns"] if self.today else {}).items():
            before = [known for day in self.history if (known := day.column(name)) and known["kind"] == kind]
            if column["kind"] == kind and len(before) >= MIN_HISTORY:
                yield name, column, before

    def whole(self, name: str) -> bool:
        """Whether about as many rows as ever have a value: where a storm cancels half, the rest lies elsewhere."""
        now = self.today.null_share(name) if self.today else None
        most = max((share for day in self.history if (share := day.null_share(name)) is not None), default=0.0)
        return now is not None and now <= most + MISSING

    def without(self, columns: Collection[str]) -> DayProfiles:
        """The same, as if the day's file had no such columns, nor differences of them."""
        if self.today is None or not columns:
            return self
        hidden = {name for name in self.today.profile["columns"] if {name, *(twins_of(name) or ())} & set(columns)}
        kept = {name: value for name, value in self.today.profile["columns"].items() if name not in hidden}
        return replace(self, today=replace(self.today, profile={**self.today.profile, "columns": kept}))

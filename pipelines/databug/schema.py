"""Columns went away or turned into another kind."""

from __future__ import annotations

from collections.abc import Iterator

from pipelines.config.policy import BugKind
from pipelines.databug.days import DayProfiles, Profile
from pipelines.databug.finding import Finding
from pipelines.errors import shorten


def schema(table: str, days: DayProfiles) -> Iterator[Finding]:
    """Against the newest day before. A column more is no bug: nothing reads it yet."""
    if days.today is None or not days.history:
        return
    before, now = days.history[-1].profile["columns"], days.today.profile["columns"]
    more = sorted(set(now) - set(before))
    for name, known in before.items():
        if name not in now:
            hint = f"; new are {shorten(', '.join(more))}" if more else ""
            yield Finding(
                BugKind.SCHEMA,
                table,
                name,
                f"column {name} is gone since {days.history[-1].day}{hint}",
                None,
                known["kind"],
            )
        elif now[name]["kind"] != known["kind"] and not _empty(now[name]) and not _empty(known):
            yield Finding(
                BugKind.SCHEMA,
                table,
                name,
                f"column {name} is {now[name]['kind']} and was {known['kind']} on {days.history[-1].day}",
                now[name]["kind"],
                known["kind"],
            )


def _empty(column: Profile) -> bool:
    # Without a value a column has no type of its own.
    return bool(column["nulls"] == column["count"])

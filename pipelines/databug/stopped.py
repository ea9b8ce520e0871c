"""A daily table did not come, or was refused."""

from __future__ import annotations

from collections.abc import Iterator
from datetime import date

from pipelines.config.policy import BugKind
from pipelines.databug.days import DayProfiles
from pipelines.databug.finding import Finding

WEEKS = 4
OF_WEEKS = 3
_MIN_DAYS = 7  # that a table has come on, before its absence means anything


def stopped(table: str, days: DayProfiles, day: date) -> Iterator[Finding]:
    """A partition that is missing on a weekday on which it usually comes, or without a row, or quarantined."""
    if days.state == "quarantined":
        told = days.reasons[0] if days.reasons else "no reason is kept"
        yield Finding(BugKind.QUARANTINED, table, None, f"{table}: the day's partition is quarantined: {told}", told)
    elif (days.today is None or days.today.rows == 0) and _usual(days, day):
        came = max((known.day for known in days.history), default=None)
        yield Finding(
            BugKind.TABLE_STOPPED,
            table,
            None,
            f"{table}: no rows came for {day}; the last day that had some is {came}",
            0,
        )


def _usual(days: DayProfiles, day: date) -> bool:
    """Whether, of the newest such weekdays since it first came, most had a partition; days of bugs are no history."""
    if len(days.history) < _MIN_DAYS:
        return False
    same = sorted({known.day for known in days.history if known.day.weekday() == day.weekday()})[-WEEKS:]
    first = days.history[0].day
    could = min(WEEKS, (day - first).days // 7)
    return bool(same) and len(same) * WEEKS >= could * OF_WEEKS

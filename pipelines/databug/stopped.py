"""A daily table did not come, or was refused."""

from __future__ import annotations

from collections.abc import Iterator
from datetime import date

from pipelines.config.policy import BugKind
from pipelines.databug.days import DayProfiles
from pipelines.databug.finding import Finding

WEEKS = 3  # on so many of such weekdays it came before, or on all since it first did
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
    """Whether the table came on most of such weekdays in the weeks before."""
    if len(days.history) < _MIN_DAYS:
        return False
    same = sum(known.day.weekday() == day.weekday() for known in days.history)
    return same >= min(WEEKS, (day - days.history[0].day).days // 7)

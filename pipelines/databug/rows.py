"""Far fewer or far more rows than on any day of the history."""

from __future__ import annotations

from collections.abc import Iterator

from pipelines.config.policy import BugKind
from pipelines.databug.days import DayProfiles
from pipelines.databug.finding import Finding

HALF = 0.5  # of the usual, and the inverse: twice of it
BEYOND = 0.75  # of the smallest day so far, and the inverse of the largest


def rows(table: str, days: DayProfiles) -> Iterator[Finding]:
    """Row counts against the median and the extremes of the history: weekends and holidays are among them."""
    import numpy as np

    if not days.comparable or days.today is None:
        return
    count, past = days.today.rows, np.array([day.rows for day in days.history], np.float64)
    usual = float(np.median(past))
    if count < HALF * usual and count < BEYOND * past.min():
        word, score = "few", HALF * usual / max(count, 1)
    elif count > usual / HALF and count > past.max() / BEYOND:
        word, score = "many", HALF * count / usual
    else:
        return
    yield Finding(
        BugKind.ROWS,
        table,
        None,
        f"{table}: {count} rows are too {word}: {usual:g} are usual, {past.min():g} to {past.max():g} came on each of "
        f"{len(past)} days before",
        count,
        usual,
        score,
    )

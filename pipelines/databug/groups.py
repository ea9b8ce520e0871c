"""Rows of one category went missing while those of the others came."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from typing import TYPE_CHECKING

from pipelines.config.policy import BugKind
from pipelines.databug.days import MIN_HISTORY, DayProfiles
from pipelines.databug.finding import Finding

if TYPE_CHECKING:
    import numpy as np
    from numpy.typing import NDArray

GONE = 0.6  # of the rows that the others' rows let expect: at most so many came...
BEYOND = 0.85  # ...and of the lowest such share so far
EFFECT = 0.03  # of all the table's rows are missing, at least
SURE = 4.0  # standard deviations, over the days so far
_WEEKDAYS = 3  # of the same weekday, or all days tell what is usual


@dataclass(frozen=True)
class _Counts:
    """Rows of each steady category (days, categories), all rows that have one (days,), weekdays (days,)."""

    values: tuple[str, ...]
    rows: NDArray[np.float64]
    total: NDArray[np.float64]
    weekdays: NDArray[np.int64]


def groups(table: str, days: DayProfiles) -> Iterator[Finding]:
    """A category is held against all the others of its day, as on such weekdays: on a quiet day, all have few rows."""
    import numpy as np

    if not days.comparable or days.today is None:
        return
    for name, column, _ in days.columns("text"):
        past = _counts(days, name)
        if past is None:
            continue
        now = np.array([float(column["top"].get(value, 0)) for value in past.values])
        total = float(column["count"] - column["nulls"])
        for place, expected, score in _gone(past, now, total, days.today.day.weekday()):
            value, count = past.values[place], int(now[place])
            yield Finding(
                BugKind.GROUP_ROWS,
                table,
                name,
                f"{name} {value!r}: {count} rows where {expected:.0f} were to be expected by those of the others",
                count,
                round(expected, 1),
                score,
            )


def _counts(days: DayProfiles, name: str) -> _Counts | None:
    """Of the categories that no day of the history lacked; None: there are no two such, or too few days."""
    import numpy as np

    known = [(day.day.weekday(), c) for day in days.history if (c := day.column(name)) and c["kind"] == "text"]
    known = [(weekday, column) for weekday, column in known if column["count"] > column["nulls"]]
    steady = sorted(set.intersection(*(set(column["top"]) for _, column in known))) if known else []
    if len(known) < MIN_HISTORY or not steady:
        return None
    return _Counts(
        values=tuple(steady),
        rows=np.array([[column["top"][value] for value in steady] for _, column in known], np.float64),
        total=np.array([column["count"] - column["nulls"] for _, column in known], np.float64),
        weekdays=np.array([weekday for weekday, _ in known]),
    )


def _gone(past: _Counts, now: NDArray[np.float64], total: float, weekday: int) -> Iterator[tuple[int, float, float]]:
    """Place, rows expected and score of the categories of which too much is missing.

    One that vanished is left to `categories`: it may have been renamed.
    """
    import numpy as np

    others, rest = past.total[:, None] - past.rows, total - now
    ratios = past.rows / np.maximum(others, 1)
    usual = np.array([_usual(ratios, past.weekdays, day) for day in range(7)])
    foretold = usual[past.weekdays]
    lowest = (ratios / foretold).min(axis=0)
    spread = np.maximum((past.rows - others * foretold).std(axis=0), 1.0)
    expected = rest * usual[weekday]
    missing = expected - now
    left = now / np.maximum(expected, 1e-9)
    bound = np.maximum(np.maximum(SURE * spread, EFFECT * total), (1 - GONE) * expected)
    gone = (now > 0) & (others.min(axis=0) > 0) & (missing >= bound) & (left <= BEYOND * lowest)
    for place in np.flatnonzero(gone):
        yield int(place), float(expected[place]), float(missing[place] / bound[place])


def _usual(ratios: NDArray[np.float64], weekdays: NDArray[np.int64], day: int) -> NDArray[np.float64]:
    import numpy as np

    same = ratios[weekdays == day]
    found: NDArray[np.float64] = np.median(same if len(same) >= _WEEKDAYS else ratios, axis=0)
    return found

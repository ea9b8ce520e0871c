"""A column that had many values has one."""

from __future__ import annotations

from collections.abc import Iterator

from pipelines.config.policy import BugKind
from pipelines.databug.days import MIN_ROWS, DayProfiles, Profile
from pipelines.databug.finding import Finding

_NEARLY = 0.9  # share of the most frequent text above which a day counts as constant, too


def constant(table: str, days: DayProfiles) -> Iterator[Finding]:
    """All values the same, in a column that on no day of the history was near it."""
    if not days.comparable:
        return
    for kind, single, varied in (("number", _one_number, _numbers_vary), ("text", _one_text, _texts_vary)):
        for name, column, before in days.columns(kind):
            value = single(column)
            if value is not None and varied([known for known in before if _values(known) >= MIN_ROWS]):
                yield Finding(
                    BugKind.CONSTANT,
                    table,
                    name,
                    f"{name}: all {_values(column)} values are {value!r}; on no day of {len(before)} before",
                    value,
                )


def _values(column: Profile) -> int:
    return int(column["count"] - column["nulls"])


def _one_number(column: Profile) -> float | None:
    same = column["finite"] >= MIN_ROWS and column["min"] == column["max"]
    return float(column["min"]) if same else None


def _numbers_vary(before: list[Profile]) -> bool:
    import numpy as np

    found = [known["m2"] / known["finite"] for known in before if known["finite"] and known["m2"] is not None]
    return bool(found) and min(found) > 0.01 * float(np.median(found))


def _one_text(column: Profile) -> str | None:
    top, values = column["top"], _values(column)
    return next(iter(top)) if values >= MIN_ROWS and len(top) == 1 and next(iter(top.values())) == values else None


def _texts_vary(before: list[Profile]) -> bool:
    return bool(before) and all(max(known["top"].values(), default=0) < _NEARLY * _values(known) for known in before)

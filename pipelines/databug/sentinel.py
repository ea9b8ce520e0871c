"""Values far outside all that was ever seen, in too many rows for a slip: -999 and its kin."""

from __future__ import annotations

import statistics
from collections.abc import Iterator

from pipelines.config.policy import BugKind
from pipelines.databug.days import DayProfiles, Profile
from pipelines.databug.finding import Finding
from pipelines.databug.robust import deviation

FAR = 2.0  # widths of the history's range beyond its end
SHARE = 0.01
_LEAST_ROWS = 5
SURE = 6.0
TOGETHER = 0.6  # of the spread that so many rows at the extreme would make: a long tail makes far less


def sentinel(table: str, days: DayProfiles) -> Iterator[Finding]:
    """How many rows hold the extreme follows from how far it pulled the mean; one wrong reading is no bug."""
    if not days.comparable:
        return
    for name, column, before in days.columns("number"):
        known = [item for item in before if item["finite"] and item["mean"] is not None]
        if not known or not column["finite"] or None in (column["mean"], column["m2"]):
            continue
        low, high = min(item["min"] for item in known), max(item["max"] for item in known)
        for extreme, beyond in ((column["min"], low - column["min"]), (column["max"], column["max"] - high)):
            share = _share(column, [item["mean"] for item in known], extreme)
            if high > low and beyond > FAR * (high - low) and share:
                yield Finding(
                    BugKind.SENTINEL,
                    table,
                    name,
                    f"{name}: about {share:.0%} of {column['finite']} values are near {extreme:g}; before: {low:g} "
                    f"to {high:g}",
                    float(extreme),
                    round((low + high) / 2, 4),
                    share / SHARE,
                )


def _share(column: Profile, means: list[float], extreme: float) -> float:
    """The share of values that are near `extreme`; 0 where it is none, or nothing that would matter."""
    usual, spread = statistics.median(means), deviation(means)
    moved = column["mean"] - usual
    share = moved / (extreme - usual) if extreme != usual else 0.0
    together = TOGETHER * share * (1 - share) * (extreme - usual) ** 2
    if share * column["finite"] < _LEAST_ROWS or share < SHARE or abs(moved) <= SURE * spread:
        return 0.0
    return float(share) if column["m2"] / column["finite"] >= together else 0.0

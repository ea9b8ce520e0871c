"""A column suddenly has no values, while those that come and go with it have theirs."""

from __future__ import annotations

from collections.abc import Iterator

from pipelines.config.policy import BugKind
from pipelines.databug.days import MIN_HISTORY, MISSING, DayProfiles
from pipelines.databug.finding import Finding
from pipelines.databug.robust import foretell

SURE = 6.0  # errors of the guess
_LEAST_ERROR = 0.005


def nulls(table: str, days: DayProfiles) -> Iterator[Finding]:
    """A storm cancels half of the flights, which then have no times at all: that is no bug."""
    import numpy as np

    if not days.comparable or days.today is None:
        return
    today = days.today
    names = [name for name in today.profile["columns"] if all(day.null_share(name) is not None for day in days.history)]
    now = np.array([today.null_share(name) or 0.0 for name in names])
    past = np.array([[day.null_share(name) or 0.0 for name in names] for day in days.history]).reshape(-1, len(names))
    for place, name in enumerate(names):
        if len(past) < MIN_HISTORY or now[place] < past[:, place].max() + MISSING:
            continue
        foretold = foretell(np.delete(past, place, 1), np.delete(now, place), past[:, [place]])
        usual, error = float(foretold.values[0]), max(float(foretold.errors[0]), _LEAST_ERROR)
        excess = now[place] - usual
        all_gone = now[place] == 1 and past[:, place].max() < 1 - MISSING
        if all_gone or excess >= max(MISSING, SURE * error):
            yield Finding(
                BugKind.NULLS,
                table,
                name,
                f"{name}: {now[place]:.0%} of {today.rows} rows have no value; at most {past[:, place].max():.0%} had "
                f"none on any of {len(past)} days before",
                round(float(now[place]), 4),
                round(float(np.clip(usual, 0, 1)), 4),
                min(excess / MISSING, excess / (SURE * error)),
            )

"""All values of a column moved by the same amount, and the columns that usually move with it did not."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from typing import TYPE_CHECKING

from pipelines.config.policy import BugKind
from pipelines.databug.days import MIN_HISTORY, DayProfiles
from pipelines.databug.finding import Finding
from pipelines.databug.place import LEVELS, QUARTILES, scale_of
from pipelines.databug.robust import foretell
from pipelines.databug.twins import twins_of

if TYPE_CHECKING:
    import numpy as np
    from numpy.typing import NDArray

SURE = 8.0  # errors of the guess
EFFECT = 0.1  # of the column's usual distance between quartiles
UNEVEN = 0.5  # of the shift: by so much its quantiles may differ
FLOATS = 0.3  # of that distance: a column that is foretold no better, as a wind, has no level to lose


@dataclass(frozen=True)
class _Places:
    """A column's quantiles today (levels,) and before (days, levels), and its quartiles' usual distance."""

    name: str
    now: NDArray[np.float64]
    past: NDArray[np.float64]
    width: float


@dataclass(frozen=True)
class _Shift:
    place: _Places
    by: float
    score: float


def shift(table: str, days: DayProfiles) -> Iterator[Finding]:
    """Arrival times an hour late with departures, schedules and delays as ever; delays up by an hour, the punctual too.

    A storm moves late flights more than punctual ones, and all that hangs together with them.
    """
    places = list(_places(days)) if days.comparable else []
    while worst := max((found for place in places if (found := _shifted(place, places))), default=None, key=_score):
        # A broken column makes those look wrong that are foretold by it: without it, look again.
        places = [place for place in places if place is not worst.place]
        middle = len(LEVELS) // 2
        yield Finding(
            BugKind.SHIFT,
            table,
            worst.place.name,
            f"{worst.place.name}: all values moved by {worst.by:+.4g} alike, and the columns that usually move with it "
            f"did not",
            round(float(worst.place.now[middle]), 4),
            round(float(worst.place.now[middle] - worst.by), 4),
            worst.score,
        )


def _score(found: _Shift) -> float:
    return found.score


def _places(days: DayProfiles) -> Iterator[_Places]:
    """Of the columns that vary within a day, and that every day of the history has values of."""
    import numpy as np

    for name, column, before in days.columns("number"):
        edges = days.edges.get(name)
        if not edges or len(before) < len(days.history) or not days.whole(name):
            continue
        scale = scale_of(edges, before)
        *past, now = scale.quantiles([*before, column], (*LEVELS, *QUARTILES))
        known = np.array([found for found in past if found is not None])
        if now is None or len(known) < max(MIN_HISTORY, 0.9 * len(past)):
            continue
        width = float(np.median(known[:, -1] - known[:, -2]))
        if width > 0:
            usual = np.median(known, axis=0)
            filled = np.array([usual if found is None else found for found in past])
            yield _Places(name, now[: len(LEVELS)], filled[:, : len(LEVELS)], width)


def _shifted(place: _Places, places: list[_Places]) -> _Shift | None:
    """How far the column moved besides what the others let expect; None: no further than it may."""
    import numpy as np

    # Differences of columns vouch for none: they move with the columns that they are made of.
    others = [other for other in places if other is not place and twins_of(other.name) is None]
    history = np.column_stack([np.empty((len(place.past), 0)), *(other.past.mean(axis=1) for other in others)])
    now = np.array([other.now.mean() for other in others])
    foretold = foretell(history, now, np.column_stack([place.past, place.past.mean(axis=1)]))
    away = np.append(place.now, place.now.mean()) - foretold.values
    by = float(np.median(away[:-1]))
    error = float(foretold.errors[-1])
    bound = max(SURE * error, EFFECT * place.width)
    moved, uneven = min(abs(float(away[-1])), abs(by)), float(np.abs(away[:-1] - by).max())
    if error > FLOATS * place.width or moved < bound or uneven > UNEVEN * abs(by):
        return None
    return _Shift(place, by, abs(float(away[-1])) / bound)

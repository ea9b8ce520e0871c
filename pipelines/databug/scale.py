"""All values of a column are multiples of what they were: another unit."""

from __future__ import annotations

from collections.abc import Iterator
from typing import TYPE_CHECKING

from pipelines.config.policy import BugKind
from pipelines.databug.days import MIN_HISTORY, DayProfiles
from pipelines.databug.finding import Finding
from pipelines.databug.place import LEVELS, QUARTILES, Scale
from pipelines.databug.robust import deviation

if TYPE_CHECKING:
    import numpy as np
    from numpy.typing import NDArray

FACTOR = 1.4  # or its inverse, at least
UNEVEN = 0.25  # of the change: by so much the quantiles may differ
SURE = 6.0
STEADY = 0.1  # a column whose own scale comes and goes (log) has none that could be wrong
WIDER = 4.0  # times the usual distance between quartiles, whatever the shape


def scale(table: str, days: DayProfiles) -> Iterator[Finding]:
    """Today's quantiles as a multiple of the usual ones, against the multiples that the days before were."""
    import numpy as np

    for name, column, before in days.columns("number") if days.comparable else ():
        if not days.whole(name):
            continue
        axis = Scale(days.edges.get(name, ()))
        *earlier, now = axis.quantiles([*before, column], (*LEVELS, *QUARTILES))
        known = [found for found in earlier if found is not None]
        if now is None or len(known) < MIN_HISTORY:
            continue
        past = np.array(known)
        if float(np.median(past[:, -1] - past[:, -2])) <= 0:
            continue  # one value a day, such as the day itself, has no scale
        multiple = _multiple(now[: len(LEVELS)], past[:, : len(LEVELS)]) or _wider(
            now[-1] - now[-2], past[:, -1] - past[:, -2]
        )
        if multiple:
            factor, score = multiple
            usual = float(np.median(past[:, len(LEVELS) // 2]))
            yield Finding(
                BugKind.SCALE,
                table,
                name,
                f"{name}: values are {factor:.4g} times what they were: another unit?",
                round(float(now[len(LEVELS) // 2]), 4),
                round(usual, 4),
                score,
            )


def _multiple(now: NDArray[np.float64], past: NDArray[np.float64]) -> tuple[float, float] | None:
    """The factor between today's quantiles and the usual ones, and how far it is over its bound."""
    import numpy as np

    usual = np.median(past, axis=0)
    length = float(usual @ usual)
    if length == 0:
        return None
    factor, factors = float(now @ usual) / length, past @ usual / length
    if factor <= 0 or factors.min() <= 0:
        return None
    logs = np.log(factors)
    steady = max(deviation(logs), 0.02)
    uneven = float(np.abs(now - factor * usual).max()) > UNEVEN * abs(factor - 1) * float(np.abs(usual).max())
    bound = max(np.log(FACTOR), SURE * steady, 2 * float(np.abs(logs).max()))
    if steady > STEADY or uneven or abs(np.log(factor)) < bound:
        return None
    return factor, abs(float(np.log(factor))) / float(bound)


def _wider(now: float, past: NDArray[np.float64]) -> tuple[float, float] | None:
    import numpy as np

    usual = float(np.median(past))
    if usual <= 0 or now <= 0 or past.min() <= 0:
        return None
    ratio, most = now / usual, float(np.abs(np.log(past / usual)).max())
    bound = max(np.log(WIDER), 2 * most)
    return (ratio, abs(float(np.log(ratio))) / float(bound)) if abs(np.log(ratio)) >= bound else None

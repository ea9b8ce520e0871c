"""Where a number column's values lie on a day: quantiles of its histogram, with clocks cut open where nobody is up."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING

from pipelines.databug.days import MIN_ROWS, Profile

if TYPE_CHECKING:
    import numpy as np
    from numpy.typing import NDArray

LEVELS = (0.2, 0.3, 0.4, 0.5, 0.6, 0.7, 0.8)
QUARTILES = (0.25, 0.75)
_PERIODS = (24, 60, 360, 1440, 2400, 86400)
_FULL = 0.97


@dataclass(frozen=True)
class Scale:
    """The axis of a column. With a `period` its values run round, and the axis begins at `cut`."""

    edges: tuple[float, ...]
    period: float | None = None
    cut: float = 0.0

    def quantiles(self, column: Profile, levels: Sequence[float]) -> NDArray[np.float64] | None:
        """The `levels` quantiles, straight within a bin; None: no histogram on these edges, or too few values."""
        import numpy as np

        hist = column.get("hist")
        if hist is None or len(hist) != len(self.edges) + 1 or column["finite"] < MIN_ROWS:
            return None
        knots, cumulated = _curve(column, self.edges)
        if self.period is not None:
            knots, cumulated = _opened(knots, cumulated, self.cut, self.period)
        return np.interp(levels, cumulated, knots)


def scale_of(edges: tuple[float, ...], before: Sequence[Profile]) -> Scale:
    """The axis on which the days `before` compare best: opened, where the values are those of a clock or compass."""
    import numpy as np

    known = [column for column in before if column["finite"] and len(column.get("hist") or ()) == len(edges) + 1]
    low, high = min((c["min"] for c in known), default=0), max((c["max"] for c in known), default=0)
    period = next((p for p in _PERIODS if low >= 0 and min(_FULL * p, p - 1) <= high <= p), None)
    if period is None:
        return Scale(edges)
    counts = np.sum([column["hist"] for column in known], axis=0)
    inside = [place for place, edge in enumerate(edges) if 0 <= edge <= period]
    if len(inside) < 2:
        return Scale(edges)
    knots = np.array(edges)[inside]
    inner = counts[inside[0] + 1 : inside[-1] + 1]
    # What is outside of these edges is one bin on a clock: it goes on from the last to the first of the next turn.
    widths = np.append(np.diff(knots), knots[0] + period - knots[-1])
    inner = np.append(inner, counts.sum() - inner.sum())
    # The most of the round with the least of the values: a bin may be empty because it is narrow.
    emptiest = int(np.argmax(widths / period - inner / counts.sum()))
    return Scale(edges, float(period), float((knots[emptiest] + widths[emptiest] / 2) % period))


def _curve(column: Profile, edges: Sequence[float]) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
    """Knots, ascending, and the share of values below each."""
    import numpy as np

    hist = column["hist"]
    cumulated = np.zeros(len(hist) + 1)
    np.cumsum(np.array(hist, np.float64), out=cumulated[1:])
    knots = np.empty(len(hist) + 1)
    knots[0], knots[-1], knots[1:-1] = column["min"], column["max"], edges
    # Within the day's own extremes: most of a bin at an end may lie beyond them.
    np.maximum(knots, knots[0], out=knots)
    np.minimum(knots, knots[-1], out=knots)
    return knots, cumulated / cumulated[-1]


def _opened(
    knots: NDArray[np.float64], cumulated: NDArray[np.float64], cut: float, period: float
) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
    """The same curve, begun at `cut` and gone once round; `knots` go on as they were, beyond the period."""
    import numpy as np

    at = float(np.interp(cut, knots, cumulated))
    after, before = knots > cut, knots <= cut
    return (
        np.concatenate([[cut], knots[after], knots[before] + period, [cut + period]]),
        np.concatenate([[0.0], cumulated[after] - at, cumulated[before] + 1 - at, [1.0]]),
    )

"""Where a number column's values lie on a day: quantiles of its histogram, with clocks cut open where nobody is up."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING

from pipelines.databug.days import MIN_ROWS, Profile

if TYPE_CHECKING:
    import numpy as np
    from numpy.typing import NDArray

    _Curve = tuple[NDArray[np.float64], NDArray[np.float64]]

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

    def quantiles(self, days: Sequence[Profile], levels: Sequence[float]) -> list[NDArray[np.float64] | None]:
        """The column's `levels` quantiles on each of `days`, straight within a bin.

        None for a day without a histogram on these edges, or with too few values.
        """
        import numpy as np

        places = [place for place, day in enumerate(days) if self._tells(day)]
        found: list[NDArray[np.float64] | None] = [None] * len(days)
        for place, *curve in zip(places, *_curves([days[place] for place in places], self.edges), strict=True):
            knots, below = self._laid(*curve)
            found[place] = np.interp(levels, below, knots)
        return found

    def _tells(self, day: Profile) -> bool:
        hist = day.get("hist")
        return hist is not None and len(hist) == len(self.edges) + 1 and bool(day["finite"] >= MIN_ROWS)

    def _laid(self, knots: NDArray[np.float64], below: NDArray[np.float64]) -> _Curve:
        return (knots, below) if self.period is None else _opened(knots, below, self.cut, self.period)


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


def _curves(days: Sequence[Profile], edges: Sequence[float]) -> _Curve:
    """Of each day its knots, ascending, and the share of values below each: both (days, edges + 2)."""
    import numpy as np

    counts = np.array([day["hist"] for day in days], np.float64).reshape(len(days), len(edges) + 1)
    below = np.zeros((len(days), len(edges) + 2))
    np.cumsum(counts, axis=1, out=below[:, 1:])
    knots = np.empty_like(below)
    knots[:, 0], knots[:, -1], knots[:, 1:-1] = [day["min"] for day in days], [day["max"] for day in days], edges
    # Within the day's own extremes: most of a bin at an end may lie beyond them.
    np.maximum(knots, knots[:, :1], out=knots)
    np.minimum(knots, knots[:, -1:], out=knots)
    return knots, below / below[:, -1:]


def _opened(knots: NDArray[np.float64], below: NDArray[np.float64], cut: float, period: float) -> _Curve:
    """The same curve, begun at `cut` and gone once round; `knots` go on as they were, beyond the period."""
    import numpy as np

    at = float(np.interp(cut, knots, below))
    after, before = knots > cut, knots <= cut
    return (
        np.concatenate([[cut], knots[after], knots[before] + period, [cut + period]]),
        np.concatenate([[0.0], below[after] - at, below[before] + 1 - at, [1.0]]),
    )

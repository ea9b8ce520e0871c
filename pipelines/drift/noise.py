"""What sampling alone explains of a divergence, so that an effect is what is left.

Of two samples of n and m rows from one distribution over k bins, the Jensen-Shannon divergence in bits is about
(1/n + 1/m) / (8 ln 2) times a chi-square of k - 1 degrees, as long as no bin expects too few rows: bins that do are
joined first. Rows of one day share their weather and are fewer than they seem; days of the reference tell how much (the
corrections of Rao and Scott, of second order).

The noise taken out is the level that it stays under in all but one of a thousand comparisons. Tested with 1,000 trials
each of 100, 10,000 and 1,000,000 rows: an effect above 0 in at most 5 of them, one of 0.1 in at most 1 where there are
100 rows and in none where there are more. Weeks of real flights, days shuffled: an effect above 0 in 1 to 4 of 1,000.
"""

from __future__ import annotations

import math
from dataclasses import dataclass
from statistics import NormalDist
from typing import TYPE_CHECKING, Any, Self

from pipelines.drift.measures import divergence, shares

if TYPE_CHECKING:
    import numpy as np
    from numpy.typing import NDArray

RATE = 0.001
# Fewer days say too little of how days differ.
LEAST_DAYS = 8
# A bin that expects fewer rows than this, in the smaller sample, is joined with others.
LEAST_ROWS = 10.0
_Z = NormalDist().inv_cdf(1 - RATE)


@dataclass(frozen=True)
class Spread:
    """How the shares of bins vary between samples: of the squared standardised differences, for a sample of one row.

    `total` is their expected sum and `squares` the sum of the squares of its independent parts; of rows drawn one by
    one, both are `bins`, the number of bins in use less one.
    """

    total: float
    squares: float
    bins: int

    @property
    def inflation(self) -> float:
        """How many rows count as one."""
        return self.total / self.bins

    @classmethod
    def of_rows(cls, counts: NDArray[Any]) -> Self:
        """Rows are drawn one by one from the distribution that `counts` (bins,) shows."""
        used = max(1, int((counts > 0).sum()) - 1)
        return cls(float(used), float(used), used)

    @classmethod
    def of_days(cls, counts: NDArray[Any]) -> Self:
        """Days are drawn; `counts` (days, bins) are theirs. Never less than if rows were drawn one by one."""
        import numpy as np

        table = counts[counts.sum(axis=1) > 0]
        rows = cls.of_rows(table.sum(axis=0)) if len(table) else cls(1.0, 1.0, 1)
        days = len(table)
        if days < LEAST_DAYS:
            return rows
        whole = shares(table.sum(axis=0))
        used = whole > 0
        apart = (shares(table)[:, used] - whole[used]) / np.sqrt(whole[used])
        apart *= np.sqrt(table.sum(axis=1, keepdims=True))
        # Products of days with days have the same eigenvalues as those of bins with bins: the fewer are made. Without
        # BLAS, whose threads wait for each other longer than this takes.
        products = np.einsum("ik,jk->ij", *[apart if days < apart.shape[1] else apart.T] * 2) / (days - 1)
        total, raw = float(np.trace(products)), float(np.square(products).sum())
        # Of few days the sum of squares is too large; this takes out what their number alone adds.
        squares = (days - 1) ** 2 / ((days - 2) * (days + 1)) * (raw - total**2 / (days - 1))
        if total <= rows.total:
            return rows
        return cls(total, max(squares, total**2 / rows.total), rows.bins)


def effect(
    reference: NDArray[Any], current: NDArray[Any], days: NDArray[Any] | None = None, *, ordered: bool = True
) -> float:
    """The Jensen-Shannon distance, 0 to 1, of two columns of counts (bins,) beyond what noise explains.

    `days` (days, bins) are the counts of the reference's days. `ordered`: neighbouring bins are alike, so that those
    are joined; else the rarest are. Divergences, the squares of distances, are what noise adds to.
    """
    spread = _spread(reference + current, days)
    rows = min(reference.sum(), current.sum()) / max(1.0, spread.inflation)
    groups = _groups(reference + current, rows, ordered)
    before, now = _joined(reference, groups), _joined(current, groups)
    spread = _spread(before + now, None if days is None else _joined(days, groups))
    noise = _floor(spread, float(before.sum()), float(now.sum()))
    return math.sqrt(max(0.0, float(divergence(before, now)) - noise))


def _spread(counts: NDArray[Any], days: NDArray[Any] | None) -> Spread:
    return Spread.of_rows(counts) if days is None else Spread.of_days(days)


def _groups(counts: NDArray[Any], rows: float, ordered: bool) -> NDArray[np.intp]:
    """For each bin, the group that it joins: groups of neighbours (or of equals in size) that expect rows enough."""
    import numpy as np

    order = np.arange(len(counts)) if ordered else np.argsort(-counts, kind="stable")
    expected, groups = shares(counts)[order] * rows, np.zeros(len(counts), np.intp)
    group, held = 0, 0.0
    for place, more in zip(order, expected, strict=True):
        if held >= LEAST_ROWS:
            group, held = group + 1, 0.0
        groups[place] = group
        held += more
    if held < LEAST_ROWS and group:
        groups[groups == group] = group - 1
    return groups


def _joined(counts: NDArray[Any], groups: NDArray[np.intp]) -> NDArray[Any]:
    """Counts (..., bins) as counts (..., groups)."""
    import numpy as np

    found = np.zeros((*counts.shape[:-1], int(groups.max()) + 1))
    np.add.at(found.T, groups, counts.T)
    return found


def _floor(spread: Spread, rows_reference: float, rows_current: float) -> float:
    """The divergence in bits, 0 to 1, that noise stays under in all but RATE of comparisons of so many rows."""
    if rows_reference <= 0 or rows_current <= 0:
        return 1.0
    scale = spread.squares / spread.total
    noise = scale * _chi_square(spread.total / scale) * (1 / rows_reference + 1 / rows_current)
    return min(1.0, noise / (8 * math.log(2)))


def _chi_square(degrees: float) -> float:
    """The value that a chi-square of so many degrees exceeds at RATE, after Wilson and Hilferty."""
    part = 2 / (9 * degrees)
    return degrees * (1 - part + _Z * math.sqrt(part)) ** 3

"""How far two columns of counts over the same bins are apart. Sizes of effects: none of them grows with the rows."""

from __future__ import annotations

import math
from collections.abc import Sequence
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    import numpy as np
    from numpy.typing import ArrayLike, NDArray

# A share of nothing would make PSI infinite; this floor is the usual one.
LEAST_SHARE = 1e-4


def jensen_shannon(p: ArrayLike, q: ArrayLike) -> float:
    """The Jensen-Shannon distance, base 2, of two columns of counts (bins,): 0 the same, 1 nothing in common.

    scipy: `scipy.spatial.distance.jensenshannon(p, q, base=2)`. 0 where one of them counts nothing.
    """
    import numpy as np

    return float(np.sqrt(divergence(p, q)))


def divergence(p: ArrayLike, q: ArrayLike) -> NDArray[np.float64]:
    """The square of that distance, in bits, over the last axis of (..., bins)."""
    import numpy as np

    first, second = shares(p), shares(q)
    middle = (first + second) / 2
    known = (first.sum(axis=-1) > 0) & (second.sum(axis=-1) > 0)
    summed = (_relative(first, middle) + _relative(second, middle)) / 2
    found: NDArray[np.float64] = np.where(known, np.clip(summed, 0.0, 1.0), 0.0)
    return found


def psi(p: ArrayLike, q: ArrayLike) -> float:
    """The population stability index of counts (bins,): the sum of (p - q) ln(p / q), no share below 0.0001.

    scipy: `rel_entr(p, q).sum() + rel_entr(q, p).sum()` from `scipy.special`. 0 where one of them counts nothing.
    """
    import numpy as np

    first, second = shares(p), shares(q)
    if not first.any() or not second.any():
        return 0.0
    first, second = np.maximum(first, LEAST_SHARE), np.maximum(second, LEAST_SHARE)
    return float(((first - second) * np.log(first / second)).sum())


def wasserstein(p: ArrayLike, q: ArrayLike, edges: Sequence[float], scale: float | None = None) -> float:
    """How far values have to be moved to make one distribution of the other, in units of `scale`.

    Counts (n + 1,) by `edges` (n,), each taken to lie in the middle of its bin, those of the two open ends at their
    edge. `scale` should be the standard deviation of `q`, the reference; None: the one that its counts tell. scipy:
    `scipy.stats.wasserstein_distance(places(edges), places(edges), p, q) / scale`. 0 where that scale is 0.
    """
    import numpy as np

    first, second, where = shares(p), shares(q), places(edges)
    if not first.any() or not second.any() or len(where) < 2:
        return 0.0
    if scale is None:
        scale = math.sqrt(float(second @ (where - second @ where) ** 2))
    moved = np.abs(np.cumsum(first - second)[:-1]) @ np.diff(where)
    return float(moved / scale) if scale > 0 else 0.0


def places(edges: Sequence[float]) -> NDArray[np.float64]:
    """Where the values of each bin are taken to lie, (n + 1,)."""
    import numpy as np

    if not edges:
        return np.zeros(1)
    values = np.asarray(edges, np.float64)
    return np.concatenate([values[:1], values[:-1] / 2 + values[1:] / 2, values[-1:]])


def shares(counts: ArrayLike) -> NDArray[np.float64]:
    """Counts (..., bins) as shares of their sum; zeros where there are none."""
    import numpy as np

    found = np.asarray(counts, np.float64)
    total = found.sum(axis=-1, keepdims=True)
    return found / np.where(total > 0, total, 1.0)


def _relative(side: NDArray[np.float64], middle: NDArray[np.float64]) -> NDArray[np.float64]:
    """The sum of side log2(side / middle) over the last axis; a share of nothing adds nothing."""
    import numpy as np

    there = side > 0
    ratio = np.divide(side, middle, out=np.ones_like(side), where=there)
    total: NDArray[np.float64] = (side * np.log2(ratio)).sum(axis=-1)
    return total

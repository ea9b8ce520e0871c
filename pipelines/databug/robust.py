"""What is usual, told by numbers that a few odd days cannot move."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    import numpy as np
    from numpy.typing import NDArray

_TO_SIGMA = 1.4826  # a normal's standard deviation over its median absolute deviation
_RIDGE = 3.0  # as if three days had shown no connection at all


def deviation(values: Sequence[float] | NDArray[np.float64]) -> float:
    """The standard deviation that the middle half of `values` suggests."""
    import numpy as np

    array = np.asarray(values, np.float64)
    return float(_TO_SIGMA * np.median(np.abs(array - np.median(array))))


@dataclass(frozen=True)
class Foretold:
    """What some values should be (k,), given the others of their day; `errors` are standard deviations of that."""

    values: NDArray[np.float64]
    errors: NDArray[np.float64]


def foretell(history: NDArray[np.float64], others: NDArray[np.float64], targets: NDArray[np.float64]) -> Foretold:
    """Today's values of some series, from what moved with them so far (ridge regression around the medians).

    A day whose other series are far from all days before (a blizzard) gives large errors: nothing is known there.

    Args:
        history: (days, series), the other series on earlier days; without any, the medians are foretold.
        others: (series,), the same today.
        targets: (days, k), the series themselves on earlier days.
    """
    import numpy as np

    middle, spread = np.median(history, axis=0), history.std(axis=0)
    moving = spread > 0
    x = (history - middle)[:, moving] / spread[moving]
    now = (others - middle)[moving] / spread[moving]
    centre = np.median(targets, axis=0)
    inverse = np.linalg.inv(x.T @ x + _RIDGE * np.eye(x.shape[1]))
    slopes = inverse @ x.T @ (targets - centre)
    leverage = np.minimum(np.einsum("ij,jk,ik->i", x, inverse, x), 0.95)
    left_out = (targets - centre - x @ slopes) / (1 - leverage)[:, None]
    usual = _TO_SIGMA * np.median(np.abs(left_out - np.median(left_out, axis=0)), axis=0)
    usual = np.maximum(usual, 0.5 * np.sqrt(np.mean(left_out**2, axis=0)))
    return Foretold(centre + now @ slopes, usual * float(np.sqrt(1 + now @ inverse @ now)))

"""Metrics that are to be expected of a regression: how far off rows of such a score have been."""

from __future__ import annotations

import math
from typing import TYPE_CHECKING, Any

from pipelines.evaluation.metrics import Metrics
from pipelines.performance.curve import Curve

if TYPE_CHECKING:
    from numpy.typing import NDArray

Curves = dict[str, Curve]


def fit_values(label: NDArray[Any], score: NDArray[Any]) -> Curves:
    """By score: the mean absolute and squared error, the mean label and the mean squared label."""
    import numpy as np

    exact = score.astype(np.float64)
    targets = {"absolute": np.abs(exact - label), "squared": (exact - label) ** 2, "label": label, "power": label**2}
    return {name: Curve.binned(exact, target) for name, target in targets.items()}


def expect_values(curves: Curves, score: NDArray[Any]) -> Metrics:
    """`rmse`, `mae` and `r2` to be expected of scores (n,)."""
    import numpy as np

    mean = {name: float(np.mean(curve(score))) for name, curve in curves.items()}
    spread = mean["power"] - mean["label"] ** 2
    return {
        "rmse": math.sqrt(mean["squared"]),
        "mae": mean["absolute"],
        "r2": 1 - mean["squared"] / spread if spread > 0 else None,
    }

"""Metrics that are to be expected of probabilities, given what they have been worth (CBPE, NannyML's name for it).

Where a row's outcome has the chance p, its log loss at score s is -p log s - (1 - p) log(1 - s) on average, and so on:
no label is needed, only chances that are true. They come from a calibration curve; that the same score still means the
same chance is what is assumed, and what a change in the relation of features and label breaks.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from pipelines.evaluation.metrics import SMALLEST, Metrics
from pipelines.evaluation.ranking import Ranking
from pipelines.performance.curve import Curve

if TYPE_CHECKING:
    from numpy.typing import NDArray

Curves = dict[str, Curve]


def fit_binary(label: NDArray[Any], score: NDArray[Any]) -> Curves:
    """The calibration curve of the probability of class 1."""
    return {"1": Curve.rising(score, label > 0)}


def expect_binary(curves: Curves, score: NDArray[Any]) -> Metrics:
    """`auc`, `pr_auc`, `log_loss` and `brier` to be expected of scores (n,); calibration itself is the assumption."""
    import numpy as np

    chance, exact = curves["1"](score), score.astype(np.float64)
    clipped = np.clip(exact, SMALLEST, 1 - SMALLEST)
    return {
        "auc": expected_auc(chance, exact),
        "pr_auc": _ranking(chance, exact).average_precision(),
        "log_loss": float(-np.mean(chance * np.log(clipped) + (1 - chance) * np.log(1 - clipped))),
        "brier": float(np.mean(chance * (1 - exact) ** 2 + (1 - chance) * exact**2)),
    }


def fit_multiclass(label: NDArray[Any], score: NDArray[Any]) -> Curves:
    """A calibration curve for each class against the rest."""
    return {str(k): Curve.rising(score[:, k], label == k) for k in range(score.shape[1])}


def expect_multiclass(curves: Curves, score: NDArray[Any]) -> Metrics:
    """`log_loss`, `accuracy` and `auc` (mean over classes, each against the rest) to be expected of scores (n, k)."""
    import numpy as np

    exact = score.astype(np.float64)
    chances = np.column_stack([curves[str(k)](exact[:, k]) for k in range(exact.shape[1])])
    whole = chances.sum(axis=1, keepdims=True)
    chances = np.where(whole > 0, chances / np.where(whole > 0, whole, 1), 1 / exact.shape[1])
    areas = [expected_auc(chances[:, k], exact[:, k]) for k in range(exact.shape[1])]
    known = [area for area in areas if area is not None]
    best = np.take_along_axis(chances, exact.argmax(axis=1)[:, None], axis=1)
    return {
        "log_loss": float(-np.mean(np.sum(chances * np.log(np.clip(exact, SMALLEST, 1.0)), axis=1))),
        "accuracy": float(np.mean(best)),
        "auc": sum(known) / len(known) if known else None,
    }


def expected_auc(chance: NDArray[Any], score: NDArray[Any]) -> float | None:
    """The area under the ROC curve to be expected of n rows: the mean over pairs of different rows, ties half."""
    import numpy as np

    ranking, own = _ranking(chance, score), float(np.sum(chance * (1 - chance)))
    area, pairs = ranking.auc(), ranking.positives * ranking.negatives
    # A row is no pair with itself, where the curve counts it as a tie.
    return (area * pairs - own / 2) / (pairs - own) if area is not None and pairs > own else None


def _ranking(chance: NDArray[Any], score: NDArray[Any]) -> Ranking:
    """The ranking of rows of which each is a part `chance` of a positive and for the rest a negative."""
    import numpy as np

    order = np.argsort(-score, kind="stable")
    ordered, parts = score[order], chance[order]
    ends = np.append(np.flatnonzero(np.diff(ordered)), len(ordered) - 1)
    true = np.cumsum(parts)[ends]
    return Ranking(true, ends + 1 - true, float(true[-1]), float(len(ordered) - true[-1]))

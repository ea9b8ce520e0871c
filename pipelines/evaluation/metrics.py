"""The metrics of each task, which way is better, and how they are computed.

Scores are what a booster predicts: the probability of class 1 (n,), of every class (n, k), or a value (n,). A metric
that the rows cannot give (no rows, one class, a score that is no number) is None, never a warning.
"""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING, Any

from pipelines.config import model
from pipelines.config.model import METRICS, Task
from pipelines.errors import ConfigError, shorten
from pipelines.evaluation.ranking import Ranking, calibration_error

if TYPE_CHECKING:
    from numpy.typing import NDArray

Metrics = dict[str, float | None]

NAMES: Mapping[Task, tuple[str, ...]] = METRICS
HIGHER_IS_BETTER = model.HIGHER_IS_BETTER
# Scores are float32: a probability that has rounded to 0 or 1 may be wrong by about this much.
SMALLEST = 1e-7


def default_metric(task: Task) -> str:
    """The metric the champion gate compares when the model names none."""
    return "rmse" if task is Task.REGRESSION else "log_loss"


def check_names(task: Task, names: Sequence[str], where: str) -> None:
    """Raises ConfigError if one of `names` is no metric of `task`."""
    for name in names:
        if name not in NAMES[task]:
            raise ConfigError(
                f"{shorten(repr(name))} is no metric of a {task} model",
                where=where,
                remedy=f"use one of: {', '.join(NAMES[task])}",
            )


def compute(task: Task, label: NDArray[Any], score: NDArray[Any]) -> Metrics:
    """Every metric of `task` over n rows, as floats of nine significant digits or None.

    `label` is (n,): 0 or 1, the index of the class, or the value.
    """
    import numpy as np

    if not len(label) or not np.isfinite(score).all():
        return dict.fromkeys(NAMES[task])
    kinds = {Task.BINARY: _binary, Task.MULTICLASS: _multiclass, Task.REGRESSION: _regression}
    found = kinds[task](label, score)
    return {name: rounded(found[name]) for name in NAMES[task]}


def rounded(value: float | None) -> float | None:
    """`value` to nine significant digits: no reader needs more, and the last bits may differ between processors."""
    return float(f"{value:.9g}") if value is not None and math.isfinite(value) else None


def _binary(label: NDArray[Any], score: NDArray[Any]) -> Metrics:
    import numpy as np

    ranking, exact = Ranking.of(label, score), score.astype(np.float64)
    clipped = np.clip(exact, SMALLEST, 1 - SMALLEST)
    return {
        "auc": ranking.auc(),
        "pr_auc": ranking.average_precision(),
        "log_loss": float(-np.mean(np.log(np.where(label > 0, clipped, 1 - clipped)))),
        "brier": float(np.mean((exact - label) ** 2)),
        "calibration_error": calibration_error(label, score),
    }


def _multiclass(label: NDArray[Any], score: NDArray[Any]) -> Metrics:
    """`auc` is the mean over the classes that some rows have and others have not, each against the rest."""
    import numpy as np

    index = label.astype(np.int64)
    own = np.take_along_axis(score, index[:, None], axis=1)[:, 0].astype(np.float64)
    areas = [Ranking.of((index == k).astype(np.float64), score[:, k]).auc() for k in range(score.shape[1])]
    known = [area for area in areas if area is not None]
    return {
        "log_loss": float(-np.mean(np.log(np.clip(own, SMALLEST, 1.0)))),
        "accuracy": float(np.mean(score.argmax(axis=1) == index)),
        "auc": sum(known) / len(known) if known else None,
    }


def _regression(label: NDArray[Any], score: NDArray[Any]) -> Metrics:
    import numpy as np

    error = score.astype(np.float64) - label
    spread = float(np.sum((label - np.mean(label)) ** 2))
    return {
        "rmse": math.sqrt(float(np.mean(error**2))),
        "mae": float(np.mean(np.abs(error))),
        "r2": 1 - float(np.sum(error**2)) / spread if spread > 0 else None,
    }

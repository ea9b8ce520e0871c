"""Whether scores may be taken at their word: far from the labels in parts, or too high or too low as a whole."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from pipelines.config.model import Task
from pipelines.evaluation.metrics import rounded
from pipelines.evaluation.ranking import calibration_error

if TYPE_CHECKING:
    from numpy.typing import NDArray

    Array = NDArray[Any]

LEAST_ROWS = 50


@dataclass(frozen=True)
class CalibrationFacts:
    """On `rows` rows, for the class that is worst (`of`; empty where there is one output).

    `error`: |mean score - mean label| over 15 bins of equal count, averaged by rows; of a regression in standard
    deviations of the label. `bias`: (mean score - mean label) relative to the mean label; of a regression to the
    label's standard deviation. None: cannot be known (a score is no number, no such label).
    """

    rows: int
    error: float | None
    error_of: str
    bias: float | None
    bias_of: str


def facts(task: Task, label: Array, score: Array, classes: tuple[str, ...]) -> CalibrationFacts:
    """Of n labels and scores (n,), or (n, k) of `classes`."""
    import numpy as np

    if not len(label) or not np.isfinite(score).all():
        return CalibrationFacts(len(label), None, "", None, "")
    if task is not Task.MULTICLASS:
        unit = float(label.std() if task is Task.REGRESSION else label.mean())
        error = calibration_error(label, score)
        if task is Task.REGRESSION:
            error = error / unit if error is not None and unit > 0 else None
        return CalibrationFacts(len(label), _known(error), "", _known(_bias(label, score, unit)), "")
    found = [(name, (label == k).astype(np.float64), score[:, k]) for k, name in enumerate(classes)]
    errors = [(calibration_error(hit, own) or 0.0, name) for name, hit, own in found]
    # The bias of a class that hardly comes is noise: a class counts by its rows, of which there must be some.
    biases = [(_bias(hit, own, float(hit.mean())), name) for name, hit, own in found if hit.sum() >= LEAST_ROWS]
    worst = max(((abs(value), value, name) for value, name in biases if value is not None), default=None)
    error, error_of = max(errors)
    return CalibrationFacts(
        len(label), _known(error), error_of, _known(worst[1]) if worst else None, worst[2] if worst else ""
    )


def _bias(label: Array, score: Array, unit: float) -> float | None:
    return (float(score.mean(dtype="float64")) - float(label.mean())) / unit if unit > 0 else None


def _known(value: float | None) -> float | None:
    return rounded(value) if value is not None else None

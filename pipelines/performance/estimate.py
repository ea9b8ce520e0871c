"""A day's metrics before its labels are there: learnt from held-out rows, and said with how far off that has been."""

from __future__ import annotations

import math
from collections.abc import Callable, Mapping
from dataclasses import asdict, dataclass
from statistics import NormalDist
from typing import TYPE_CHECKING, Any, Self

from pipelines.config.model import Task
from pipelines.evaluation.metrics import Metrics, compute, rounded
from pipelines.performance.classes import expect_binary, expect_multiclass, fit_binary, fit_multiclass
from pipelines.performance.curve import Curve
from pipelines.performance.intervals import SHARE
from pipelines.performance.values import expect_values, fit_values

if TYPE_CHECKING:
    from numpy.typing import NDArray

MOST_ROWS = 500_000
FOLDS = 10
LEAST_DAYS = 3
_FIT: Mapping[Task, Callable[..., dict[str, Curve]]] = {
    Task.BINARY: fit_binary,
    Task.MULTICLASS: fit_multiclass,
    Task.REGRESSION: fit_values,
}
_EXPECT: Mapping[Task, Callable[..., Metrics]] = {
    Task.BINARY: expect_binary,
    Task.MULTICLASS: expect_multiclass,
    Task.REGRESSION: expect_values,
}


@dataclass(frozen=True)
class Estimate:
    """A metric as it is to be expected; `low` to `high` is to hold nine of ten days' truths, None where not known."""

    metric: str
    value: float
    low: float | None
    high: float | None
    rows: int

    def to_json(self) -> dict[str, Any]:
        """Its JSON form."""
        return asdict(self)


@dataclass(frozen=True)
class Estimator:
    """What held-out rows taught: curves by score, and how far estimates of a day were from its truth there."""

    task: Task
    curves: Mapping[str, Curve]
    errors: Mapping[str, float]
    days: int
    rows: int

    def estimate(self, score: NDArray[Any]) -> dict[str, Estimate]:
        """The metrics to be expected of a day's scores (n,) or (n, k); those that cannot be told are left out."""
        if not len(score) or not self.rows:
            return {}
        found = _EXPECT[self.task](dict(self.curves), score)
        told = {name: value for name, given in found.items() if (value := rounded(given)) is not None}
        return {name: self._with_ends(name, value, len(score)) for name, value in told.items()}

    def _with_ends(self, name: str, value: float, rows: int) -> Estimate:
        if name not in self.errors:
            return Estimate(name, value, None, None, rows)
        away = self.errors[name] * _student(self.days)
        return Estimate(name, value, rounded(value - away), rounded(value + away), rows)

    def to_json(self) -> dict[str, Any]:
        """Its JSON form, a few kB."""
        return {
            "task": self.task.value,
            "curves": {name: curve.to_json() for name, curve in self.curves.items()},
            "errors": dict(self.errors),
            "days": self.days,
            "rows": self.rows,
        }

    @classmethod
    def from_json(cls, value: dict[str, Any]) -> Self:
        """The estimator that `to_json` gave."""
        curves = {name: Curve.from_json(points) for name, points in value["curves"].items()}
        return cls(Task(value["task"]), curves, value["errors"], value["days"], value["rows"])


def fit(task: Task, label: NDArray[Any], score: NDArray[Any], day: NDArray[Any]) -> Estimator:
    """The estimator that n rows teach which the model had not seen: labels (n,), scores and the day of each (n,).

    How far off a day's estimate is shows by leaving days out, a tenth of them at a time: rows of one day share its
    luck, which no formula over rows would see. Of more than half a million rows, so many are taken evenly.
    """
    import numpy as np

    step = -(-len(label) // MOST_ROWS) or 1
    label, score, day = label[::step], score[::step], day[::step]
    days = np.unique(day)
    errors = _errors(task, label, score, day, days)
    curves = _FIT[task](label, score) if len(label) else {}
    return Estimator(task, curves, errors, len(days), len(label))


def _errors(
    task: Task, label: NDArray[Any], score: NDArray[Any], day: NDArray[Any], days: NDArray[Any]
) -> dict[str, float]:
    """By metric, the root mean squared difference between a left-out day's estimate and its truth."""
    import numpy as np

    found: dict[str, list[float]] = {}
    if len(days) < LEAST_DAYS:
        return {}
    for fold in range(min(FOLDS, len(days))):
        out = np.isin(day, days[fold::FOLDS])
        curves = _FIT[task](label[~out], score[~out])
        for one in days[fold::FOLDS]:
            rows = day == one
            expected, truth = _EXPECT[task](curves, score[rows]), compute(task, label[rows], score[rows])
            for name, value in expected.items():
                real = truth[name]
                if value is not None and real is not None:
                    found.setdefault(name, []).append(value - real)
    return {
        name: math.sqrt(sum(error**2 for error in errors) / len(errors))
        for name, errors in found.items()
        if len(errors) >= LEAST_DAYS
    }


def _student(days: int) -> float:
    """How many errors of that size nine of ten days stay within: Student's t, by its first terms around the normal."""
    z, free = NormalDist().inv_cdf(0.5 + SHARE / 2), max(1, days - 1)
    return z + (z**3 + z) / (4 * free) + (5 * z**5 + 16 * z**3 + 3 * z) / (96 * free**2)

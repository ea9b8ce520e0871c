"""Curves of the models on the same rows: one source for the report's charts and for the CSV files of `dvc plots`."""

from __future__ import annotations

import csv
import io
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from pipelines.config.model import Task
from pipelines.evaluation.ranking import Bin, Ranking, calibration

if TYPE_CHECKING:
    from numpy.typing import NDArray

# Enough for 200 points of a curve; more (row, class) pairs than this are thinned to every second row, third and so on.
MOST_PAIRS = 2_000_000
Points = list[tuple[float, float]]


@dataclass(frozen=True)
class Curves:
    """One model's curves; `roc` and `pr` are empty where there is nothing to rank (regression, one class)."""

    roc: Points
    pr: Points
    calibration: list[Bin]


def curves(task: Task, label: NDArray[Any], score: NDArray[Any]) -> Curves:
    """The curves of n scores. Of several classes: ROC and PR over all (row, class) pairs, calibration of the top class.

    Scores that are no finite number give no curves.
    """
    import numpy as np

    if not len(label) or not np.isfinite(score).all():
        return Curves([], [], [])
    if task is Task.REGRESSION:
        return Curves([], [], calibration(label, score))
    if task is Task.BINARY:
        ranking = Ranking.of(label, score)
        return Curves(ranking.roc(), ranking.precision_recall(), calibration(label, score))
    step = max(1, score.size // MOST_PAIRS)
    label, score = label[::step], score[::step]
    index = label.astype(np.int64)
    own = np.zeros(score.shape, np.float32)
    own[np.arange(len(index)), index] = 1
    ranking = Ranking.of(own.ravel(), score.ravel())
    right = (score.argmax(axis=1) == index).astype(np.float64)
    return Curves(ranking.roc(), ranking.precision_recall(), calibration(right, score.max(axis=1)))


def csv_files(found: Curves, importance: Sequence[Mapping[str, Any]], curve: Mapping[str, Any]) -> dict[str, bytes]:
    """The files of `plots/` by name, with the columns that `dvc.yaml` names; an empty curve is a header alone."""
    training, validation = curve["training"], curve["validation"]
    rounds = enumerate(training, start=1)
    return {
        "roc.csv": _csv(("false_positive_rate", "true_positive_rate"), found.roc),
        "pr.csv": _csv(("recall", "precision"), found.pr),
        "calibration.csv": _csv(
            ("predicted", "observed", "rows"),
            ((part.predicted, part.observed, part.rows) for part in found.calibration),
        ),
        "importance.csv": _csv(
            ("feature", "importance"), ((item["feature"], item["importance"]) for item in importance)
        ),
        "curve.csv": _csv(
            ("round", "training", "validation"),
            ((n, loss, validation[n - 1] if n <= len(validation) else "") for n, loss in rounds),
        ),
    }


def _csv(header: Sequence[str], rows: Iterable[Sequence[Any]]) -> bytes:
    text = io.StringIO()
    writer = csv.writer(text, lineterminator="\n")
    writer.writerow(header)
    writer.writerows([f"{value:.7g}" if isinstance(value, float) else value for value in row] for row in rows)
    return text.getvalue().encode()

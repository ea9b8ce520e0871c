"""A metric as a function of days: what it would be if some days had come twice and others not at all.

Rows are summed up by day once; then a thousand draws of days cost a few products of small matrices. Ranks are counted
in at most 1,024 bins of equal count: exact where there are no more distinct scores than that.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from pipelines.config.model import Task
from pipelines.evaluation.ranking import CALIBRATION_BINS
from pipelines.performance.loss import row_loss

if TYPE_CHECKING:
    from numpy.typing import NDArray

    Array = NDArray[Any]
    UnderDraws = Callable[[Array], Array]

RANKS = 1024
_CHUNK = 128


@dataclass(frozen=True)
class Sample:
    """n labelled rows: labels (n,), scores (n,) or (n, k), and which of `days` each is of, (n,)."""

    label: Array
    score: Array
    place: Array
    days: int

    def sums(self, values: Array | None = None) -> Array:
        """The sum of `values` (n,) by day, (days,); without values, how many rows."""
        import numpy as np

        return np.bincount(self.place, weights=values, minlength=self.days).astype(np.float64)


def under_draws(task: Task, metric: str, rows: Sample) -> UnderDraws:
    """`metric` of `rows` as a function of how often (draws, days) each day is drawn; gives (draws,), NaN for none."""
    if metric in ("auc", "pr_auc"):
        return _multiclass_auc(rows) if task is Task.MULTICLASS else _ranked(metric, rows)
    if metric == "calibration_error":
        return _calibration(rows)
    if metric == "r2":
        return _explained(rows)
    return _mean(task, metric, rows)


def _mean(task: Task, metric: str, rows: Sample) -> UnderDraws:
    import numpy as np

    label, score = rows.label, rows.score.astype(np.float64)
    if metric == "accuracy":
        loss = (score.argmax(axis=1) == label).astype(np.float64)
    elif metric == "mae":
        loss = np.abs(score - label)
    elif metric == "brier":
        loss = (score - label) ** 2
    else:
        loss = row_loss(task, label, rows.score)
    total, count = rows.sums(loss), rows.sums()

    def mean(draws: Array) -> Array:
        found = _weighted(draws, total) / _weighted(draws, count)
        return np.sqrt(found) if metric == "rmse" else found

    return mean


def _explained(rows: Sample) -> UnderDraws:
    import numpy as np

    label = rows.label - rows.label.mean()
    error = rows.sums((rows.score.astype(np.float64) - rows.label) ** 2)
    first, second, count = rows.sums(label), rows.sums(label**2), rows.sums()

    def r2(draws: Array) -> Array:
        spread = _weighted(draws, second) - _weighted(draws, first) ** 2 / _weighted(draws, count)
        return np.where(spread > 0, 1 - _weighted(draws, error) / np.where(spread > 0, spread, 1), np.nan)

    return r2


def _calibration(rows: Sample) -> UnderDraws:
    """Bins are those of all rows: what moves between draws is what is in them."""
    import numpy as np

    place = _bins(rows.score, CALIBRATION_BINS)
    apart = _table(rows, place, CALIBRATION_BINS, rows.score.astype(np.float64) - rows.label)
    count = rows.sums()
    return lambda draws: np.abs(_product(draws, apart)).sum(axis=1) / _weighted(draws, count)


def _ranked(metric: str, rows: Sample) -> UnderDraws:
    place = _bins(rows.score, RANKS)
    hits, every = _table(rows, place, RANKS, rows.label > 0), _table(rows, place, RANKS)
    return _auc(hits, every - hits) if metric == "auc" else _average_precision(hits, every - hits)


def _multiclass_auc(rows: Sample) -> UnderDraws:
    import numpy as np

    areas = [
        _ranked("auc", Sample((rows.label == k).astype(np.float64), rows.score[:, k], rows.place, rows.days))
        for k in range(rows.score.shape[1])
    ]

    def mean(draws: Array) -> Array:
        found = np.stack([area(draws) for area in areas])
        known = ~np.isnan(found)
        count = known.sum(axis=0)
        return np.where(count > 0, np.where(known, found, 0).sum(axis=0) / np.maximum(count, 1), np.nan)

    return mean


def _auc(hits: Array, misses: Array) -> UnderDraws:
    """By pairs of days: how many pairs of a hit of one and a miss of the other are in the right order, ties half."""
    import numpy as np

    below = np.cumsum(misses, axis=1) - misses / 2
    wins = _product(hits, below.T)
    positives, negatives = hits.sum(axis=1), misses.sum(axis=1)

    def auc(draws: Array) -> Array:
        pairs = _weighted(draws, positives) * _weighted(draws, negatives)
        right = (_product(draws, wins) * draws).sum(axis=1)
        return np.where(pairs > 0, right / np.where(pairs > 0, pairs, 1), np.nan)

    return auc


def _average_precision(hits: Array, misses: Array) -> UnderDraws:
    import numpy as np

    def some(draws: Array) -> Array:
        new = _product(draws, hits)[:, ::-1]
        true, false = np.cumsum(new, axis=1), np.cumsum(_product(draws, misses)[:, ::-1], axis=1)
        precision = true / np.maximum(true + false, 1)
        both = (true[:, -1] > 0) & (false[:, -1] > 0)
        return np.where(both, (new * precision).sum(axis=1) / np.maximum(true[:, -1], 1), np.nan)

    return lambda draws: np.concatenate([some(draws[at : at + _CHUNK]) for at in range(0, len(draws), _CHUNK)])


def _bins(score: Array, count: int) -> Array:
    """Which of at most `count` bins of equal count each score is in, lowest first; equal scores share a bin, (n,)."""
    import numpy as np

    known = np.unique(score)
    if len(known) > count:
        known = np.unique(np.quantile(score, np.arange(count) / count, method="higher"))
    return np.searchsorted(known, score, side="right") - 1


def _table(rows: Sample, place: Array, bins: int, values: Array | None = None) -> Array:
    """Sums of `values` (n,), or of rows, by day and bin, (days, bins)."""
    import numpy as np

    found = np.bincount(rows.place * bins + place, weights=values, minlength=rows.days * bins)
    return found.reshape(rows.days, bins).astype(np.float64)


def _product(left: Array, right: Array) -> Array:
    """`left @ right` on one thread: of so little, several only wait for each other, on a busy machine for seconds."""
    import numpy as np

    found: Array = np.einsum("bd,dk->bk", left, right)
    return found


def _weighted(draws: Array, values: Array) -> Array:
    import numpy as np

    found: Array = np.einsum("bd,d->b", draws, values)
    return found

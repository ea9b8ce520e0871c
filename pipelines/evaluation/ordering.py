"""How well scores order labels within days, and the share of flipped labels that would explain less order."""

from __future__ import annotations

import math
from collections.abc import Sequence
from typing import TYPE_CHECKING, Any, NamedTuple

from pipelines.config.model import Task
from pipelines.evaluation.ranking import Ranking

if TYPE_CHECKING:
    from numpy.typing import NDArray

    Array = NDArray[Any]


class Order(NamedTuple):
    """How well scores order labels within days (0: not at all, 1: wholly), by so many rows.

    `share` is that of the class among them, one half for a regression; `weight` is what it counts beside other classes.
    """

    value: float
    share: float
    weight: float
    rows: int

    @property
    def error(self) -> float:
        """The standard error by chance alone: of 2 AUC - 1 for two kinds of rows, sqrt((n0 + n1) / (3 n0 n1))."""
        return math.sqrt(1 / (3 * self.share * (1 - self.share) * self.rows)) if self.rows else 0.0


def orders(task: Task, day: Array, label: Array, score: Array) -> list[Order]:
    """How well scores order labels within days: one answer for every class, or one of a regression.

    `day`, `label` are (n,), `score` (n,) or (n, k).
    """
    import numpy as np

    if task is Task.REGRESSION:
        return [_correlation(day, label, score)]
    if task is Task.BINARY:
        return [_class_order(day, label > 0, score)]
    return [_class_order(day, label == number, score[:, number]) for number in range(np.shape(score)[1])]


def _class_order(day: Array, label: Array, score: Array) -> Order:
    """2 AUC - 1 within days, weighted by the pairs that each day compares."""
    import numpy as np

    total = pairs = positives = rows = 0.0
    for one in np.unique(day):
        here = day == one
        ranking = Ranking.of(label[here].astype(np.float64), score[here])
        area = ranking.auc()
        if area is not None:
            weight = ranking.positives * ranking.negatives
            total, pairs = total + weight * (2 * area - 1), pairs + weight
            positives, rows = positives + ranking.positives, rows + int(here.sum())
    return Order(total / pairs, positives / rows, pairs, int(rows)) if pairs else Order(0.0, 0.5, 0.0, 0)


def _correlation(day: Array, label: Array, score: Array) -> Order:
    """The correlation of ranks within days."""
    import numpy as np

    ranks = [np.empty(len(day)), np.empty(len(day))]
    for one in np.unique(day):
        here = day == one
        for rank, values in zip(ranks, (label, score), strict=True):
            order = np.argsort(np.argsort(values[here], kind="stable"), kind="stable").astype(np.float64)
            rank[here] = order - order.mean()
    spread = float(np.sqrt(np.sum(ranks[0] ** 2) * np.sum(ranks[1] ** 2)))
    return Order(float(np.sum(ranks[0] * ranks[1])) / spread if spread else 0.0, 0.5, spread, len(day) if spread else 0)


def flips(task: Task, order: float, before: float, share: float) -> float | None:
    """The share of labels whose flipping turns an order of `before` into `order`; None where there was no order.

    `share` is that of the class after the flips. Flipping a share f of labels shrinks the covariance of score and
    label by 1 - 2 f, and changes the variance of the label, which the order is relative to. Of a regression the flips
    are labels that have nothing to do with their row.
    """
    if before <= 0 or not 0 < share < 1:
        return None
    left = order / before
    if left >= 1:
        return 0.0
    if task is Task.REGRESSION:
        return min(1.0, 1 - left)
    low, high = 0.0, min(share, 1 - share)
    for _ in range(50):
        middle = (low + high) / 2
        kept = (share - middle) * (1 - share - middle) / ((1 - 2 * middle) * share * (1 - share)) if middle < 0.5 else 0
        low, high = (middle, high) if kept > left else (low, middle)
    return low


def flipped(task: Task, newest: list[Order], before: list[Order], *, errors: float = 0.0) -> float | None:
    """The share of flipped labels over all classes, each weighted by the pairs it compares; None: no class can tell.

    The orders of `newest` are first raised by so many of their standard `errors`.
    """
    total = weight = 0.0
    for order, usual in zip(newest, before, strict=True):
        found = flips(task, order.value + errors * order.error, usual.value, order.share) if order.weight else None
        if found is not None:
            total, weight = total + order.weight * found, weight + order.weight
    return total / weight if weight else None


def mean_order(found: list[Order]) -> float | None:
    """The order over all classes; None where no day had anything to order."""
    weight = sum(order.weight for order in found)
    return sum(order.value * order.weight for order in found) / weight if weight else None


def pooled(parts: Sequence[Order]) -> Order:
    """One order of several days."""
    weight, rows = sum(part.weight for part in parts), sum(part.rows for part in parts)
    if not weight:
        return Order(0.0, 0.5, 0.0, 0)
    value = sum(part.value * part.weight for part in parts) / weight
    return Order(value, sum(part.share * part.rows for part in parts) / rows, weight, rows)

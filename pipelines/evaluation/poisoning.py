"""Whether the newest days of training were tampered with: labels that contradict a model fitted without them, copies.

A flipped label hides nothing of its row, so flips show as scores that order the newest days' labels worse than those
of the days before. Order within a day is compared, for a day on which everything goes wrong at once (a storm) moves
all rows of it and flips none.
"""

from __future__ import annotations

import math
from collections.abc import Iterable
from dataclasses import asdict, dataclass, replace
from datetime import date, timedelta
from typing import TYPE_CHECKING, Any, NamedTuple

from pipelines.config.model import Task
from pipelines.engines.columns import Columns
from pipelines.engines.rows import Rows
from pipelines.evaluation.metrics import rounded
from pipelines.evaluation.ranking import Ranking

if TYPE_CHECKING:
    import pyarrow as pa
    from numpy.typing import NDArray

    Array = NDArray[Any]


# Copies are counted within windows of equal length: among more rows more are alike without anybody's doing.
WINDOWS_BEFORE = 3
# What fewer rows seem to say of their labels is chance.
FEWEST_ROWS = 100
ERRORS = 2.0


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


@dataclass(frozen=True)
class Poisoning:
    """The newest days of the release's training against the days before, which the trial was not fitted on either.

    `order` is how well the trial's scores order labels within a day (0: not at all, 1: wholly), `order_before` the
    same before; `flipped` is the share of labels whose flipping would explain the difference, with the interval that
    two standard errors give, and `usual` the most that any window of as many days before would show. `copies` is the
    share of rows that are like an earlier one in every feature and in the label. None: the rows cannot tell.
    """

    first: date
    last: date
    rows: int
    order: float | None
    order_before: float | None
    flipped: float | None
    interval: tuple[float, float] | None
    usual: float
    copies: float
    copies_before: float

    def as_json(self) -> dict[str, Any]:
        """For `metrics.json` and the model card."""
        return asdict(self) | {"first": self.first.isoformat(), "last": self.last.isoformat()}


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
    return Order(float(np.sum(ranks[0] * ranks[1])) / spread if spread else 0.0, 0.5, float(spread > 0), len(day))


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


def copies(rows: Rows, columns: Columns) -> float:
    """The share of `rows` that are like an earlier one in every feature and the label; 0 without rows."""
    import numpy as np

    marks = [_marks(columns.block(batch), batch.column("label")) for batch in rows.batches([*columns.names, "label"])]
    total = sum(len(part) for part in marks)
    return 1 - len(np.unique(np.concatenate(marks))) / total if total else 0.0


def usual_copies(newest: Rows, columns: Columns, earliest: date) -> float:
    """The most copies in one of the windows of as many days before `newest`, back to `earliest`."""
    step = (newest.last - newest.first) + timedelta(days=1)
    windows = (
        replace(newest, first=newest.first - number * step, last=newest.last - number * step)
        for number in range(1, WINDOWS_BEFORE + 1)
    )
    return max((copies(window, columns) for window in windows if window.first >= earliest), default=0.0)


def measure(
    task: Task,
    newest: Rows,
    columns: Columns,
    scored: Iterable[tuple[Array, Array, Array]],
    earliest: date,
) -> Poisoning:
    """`scored` is (day, label, score) of the newest rows and of the rows before, neither seen by the model that scored.

    `earliest` is the first training day, before which no copies are looked for.
    """
    now, past = scored
    ours, theirs = orders(task, *now), orders(task, *past)
    enough = min(len(now[0]), len(past[0])) >= FEWEST_ROWS
    share, low, high = (
        rounded(flipped(task, ours, theirs, errors=errors)) if enough else None for errors in (0, ERRORS, -ERRORS)
    )
    return Poisoning(
        first=newest.first,
        last=newest.last,
        rows=len(now[0]),
        order=rounded(mean_order(ours)),
        order_before=rounded(mean_order(theirs)),
        flipped=share,
        interval=(low, high) if low is not None and high is not None else None,
        usual=rounded(_usual(task, past, theirs, (newest.last - newest.first).days + 1)) or 0.0,
        copies=rounded(copies(newest, columns)) or 0.0,
        copies_before=rounded(usual_copies(newest, columns, earliest)) or 0.0,
    )


def _usual(task: Task, past: tuple[Array, Array, Array], whole: list[Order], days: int) -> float:
    """The largest share of flips that a window of `days` days of the past seems to have, against the whole past."""
    day, label, score = past
    found = [0.0]
    age = (int(day.max()) - day) // days if len(day) else day
    for number in range(int(age.max()) + 1 if len(age) else 0):
        here = age == number
        if int(here.sum()) >= FEWEST_ROWS:
            found.append(flipped(task, orders(task, day[here], label[here], score[here]), whole) or 0.0)
    return max(found)


def _marks(block: Array, label: pa.Array) -> Array:
    """A number (n,) for every row that is the same for the same features and label, and hardly for others."""
    import numpy as np

    values = np.column_stack([block, label.to_numpy(zero_copy_only=False).astype(np.float32)])
    bits = np.ascontiguousarray(values + np.float32(0)).view(np.uint32).astype(np.uint64)  # + 0: -0 is 0
    mixed = np.zeros(len(bits), np.uint64)
    for column in bits.T:
        mixed = (mixed ^ column) * np.uint64(0x9E3779B97F4A7C15)
        mixed ^= mixed >> np.uint64(29)
    return mixed

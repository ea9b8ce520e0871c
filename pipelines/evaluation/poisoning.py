"""Whether test days were tampered with: labels that contradict a model fitted without them, rows that are copies.

Every window of few days is looked at, for whoever tampers chooses which days and how many; it is compared with older
days alone, or many days of flips would excuse each other. Flips show as scores that order labels worse. Order within a
day is compared: a day on which everything goes wrong at once moves all rows of it and flips none. Where a window looks
flipped all the same, models of its own days are asked: flips contradict any model, a storm only one that foresaw none.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import asdict, dataclass, replace
from datetime import date, timedelta
from typing import TYPE_CHECKING, Any, NamedTuple

from pipelines.config.model import Task
from pipelines.evaluation.metrics import rounded
from pipelines.evaluation.ordering import Order, flipped, mean_order, orders, pooled

if TYPE_CHECKING:
    from numpy.typing import NDArray

    Array = NDArray[Any]

# What fewer rows seem to say of their labels is chance.
FEWEST_ROWS = 100
EPOCH = date(1970, 1, 1)
ERRORS = 2.0


class Seen(NamedTuple):
    """Days since 1970 (n,), labels (n,), and scores (n,) or (n, k) by a model that was not fitted on these rows."""

    day: Array
    label: Array
    score: Array


# The same rows as models of their own days score them (`relearnt`).
Relearn = Callable[[], Seen]


@dataclass(frozen=True)
class Labels:
    """The window of days whose labels look flipped most.

    `order` is how well the trial's scores order labels within a day (0: not at all, 1: wholly); `flipped` the share of
    labels whose flipping would explain how much less that is than before, with the interval that two standard errors
    give. `relearnt`: the two are by models of the days themselves, which say less of flips than the trial does.
    """

    first: date
    last: date
    rows: int
    order: float
    flipped: float
    interval: tuple[float, float]
    relearnt: bool = False


@dataclass(frozen=True)
class Copies:
    """The window of days with most copies: `share` is that of rows like an earlier one in every feature and label.

    `before` is the most in windows as long before the test days.
    """

    first: date
    last: date
    share: float
    before: float


@dataclass(frozen=True)
class Poisoning:
    """Every window of `days` days from `first` to `last`, the test days, against older days.

    `labels` is the worst window against the validation days, whose order is `order_before` and of which some window
    seemed to have `usual` flips; None: the rows cannot tell. The trial was fitted on no day that labels are compared
    on.
    """

    first: date
    last: date
    days: int
    order_before: float | None
    usual: float
    labels: Labels | None
    copies: Copies

    def as_json(self) -> dict[str, Any]:
        """For `metrics.json` and the model card."""
        plain: dict[str, Any] = _plain(asdict(self))
        return plain


def windows(first: date, last: date, days: int) -> list[tuple[date, date]]:
    """Every window of `days` days within `first` to `last`, newest first; the whole where that is shorter."""
    length = timedelta(days=days - 1)
    if first + length >= last:
        return [(first, last)] if first <= last else []
    return [
        (last - timedelta(days=n) - length, last - timedelta(days=n)) for n in range((last - first - length).days + 1)
    ]


@dataclass(frozen=True)
class Daily:
    """The orders of every day that has some, by which windows of days are compared with one another."""

    task: Task
    days: Mapping[date, list[Order]]

    @classmethod
    def of(cls, task: Task, seen: Seen) -> Daily:
        """The orders of the days of `seen`."""
        import numpy as np

        found = {}
        for one in np.unique(seen.day):
            here = seen.day == one
            found[EPOCH + timedelta(days=int(one))] = orders(task, *(part[here] for part in seen))
        return cls(task, found)

    @property
    def rows(self) -> int:
        """How many rows could be ordered, for the class that has most of them."""
        return max((order.rows for order in self.pooled(date.min, date.max)), default=0)

    def pooled(self, first: date, last: date) -> list[Order]:
        """The orders over all days of a window: each day by what it compares."""
        inside = [orders for day, orders in sorted(self.days.items()) if first <= day <= last]
        return [pooled(parts) for parts in zip(*inside, strict=True)]

    def labels(self, before: Daily, first: date, last: date) -> Labels | None:
        """What the labels of a window seem like against all days `before`; None where the rows cannot tell."""
        ours, theirs = self.pooled(first, last), before.pooled(date.min, date.max)
        rows = max((order.rows for order in ours), default=0)
        if min(rows, before.rows) < FEWEST_ROWS:
            return None
        share, low, high = (rounded(flipped(self.task, ours, theirs, errors=by)) for by in (0, ERRORS, -ERRORS))
        if share is None or low is None or high is None:
            return None
        return Labels(first, last, rows, rounded(mean_order(ours)) or 0.0, share, (low, high))

    def usual(self, days: int) -> float:
        """The largest share of flips that a window of `days` days seems to have, against all of these days."""
        if not self.days:
            return 0.0
        found = [self.labels(self, *window) for window in windows(min(self.days), max(self.days), days)]
        return max((one.flipped for one in found if one), default=0.0)


def judged(
    task: Task,
    spans: Sequence[tuple[date, date]],
    bound: float,
    seen: tuple[Seen, Seen],
    again: tuple[Relearn, Relearn],
) -> tuple[float | None, float, Labels | None]:
    """The order of the days before, what is usual there, and the window of `spans` whose labels look flipped most.

    `seen` and `again` are of the days before and of those that are watched. Beyond `bound` (or the usual, if more),
    models of the days themselves are asked.
    """
    before, watched = (Daily.of(task, part) for part in seen)
    days = (spans[0][1] - spans[0][0]).days + 1 if spans else 1
    usual = before.usual(days)
    found = [one for span in spans if (one := watched.labels(before, *span))]
    if any(one.interval[0] > max(bound, usual) for one in found):
        found = _asked_again(task, found, max(bound, usual), again)
    worst = max(found, key=lambda one: (one.interval[0], one.flipped), default=None)
    return rounded(mean_order(before.pooled(date.min, date.max))), usual, worst


def _asked_again(task: Task, found: Sequence[Labels], bound: float, again: tuple[Relearn, Relearn]) -> list[Labels]:
    """`found`, with what models of their own days say of the windows beyond `bound`, where that is less.

    Labels that are turned round altogether can be learnt like any others: where scores order them the wrong way, what
    the trial says stands.
    """
    before, watched = (Daily.of(task, relearn()) for relearn in again)
    kept = []
    for one in found:
        other = watched.labels(before, one.first, one.last) if one.interval[0] > bound and one.order > 0 else None
        if other is not None and other.interval[0] < one.interval[0]:
            one = replace(one, flipped=other.flipped, interval=other.interval, relearnt=True)  # noqa: PLW2901
        kept.append(one)
    return kept


def _plain(value: Any) -> Any:
    if isinstance(value, dict):
        return {name: _plain(part) for name, part in value.items()}
    return value.isoformat() if isinstance(value, date) else value

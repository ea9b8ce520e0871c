"""Windows and bounds that suit the span of days and rows of a file, so that its last day can be an as-of day."""

from __future__ import annotations

import math
import statistics
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import timedelta
from typing import Any

from pipelines.authoring.infer import Target
from pipelines.authoring.source import Events
from pipelines.config.model import Task, Validation, Window
from pipelines.errors import ConfigError, shorten
from pipelines.quality.values import HISTORY, MIN_HISTORY

MIN_LABELLED_DAYS = 16
MIN_TRAIN_DAYS = 10
FEW_ROWS = 50_000
# Where a day has few rows the window takes in more days, until there is enough to learn from and to judge on.
USUAL_TRAIN_DAYS, LONGEST_TRAIN_DAYS, ENOUGH_TRAIN_ROWS = 180, 1095, 1000
ENOUGH_TEST_ROWS = 100


@dataclass(frozen=True)
class Plan:
    """What the draft of `model.yaml` says besides tables and label. `rows_a_day` counts labelled rows."""

    window: Window
    validation: Validation
    maturity_days: int
    rows_a_day: float
    train_rows: int
    test_rows: int
    small: bool
    notes: tuple[str, ...]


def plan(events: Events, target: Target) -> Plan:
    """The plan for `events`.

    Raises:
        ConfigError: too few days have labels, or the newest hold one class only.
    """
    labelled = _labelled_a_day(events, target)
    span = (events.last - events.first).days + 1
    newest = max(place for place, rows in enumerate(labelled) if rows)
    maturity = max(1, span - 1 - newest)
    usable = span - maturity
    if usable < MIN_LABELLED_DAYS:
        raise ConfigError(
            f"labels reach {usable} days into the file's {span}; at least {MIN_LABELLED_DAYS} such days are needed",
            where="--label",
            remedy="bring more days, or rows that have their label",
        )
    notes = []
    if maturity > 1:
        notes.append(f"the newest label is {maturity} days before the last row: label.maturity_days is {maturity}")
    test = _test_days(events, target, labelled[:usable], maturity)
    lookback = 28 if usable >= 120 else 14 if usable >= 40 else 7
    end = usable - test
    train = _train_days(labelled[:end], end - lookback)
    train_rows, test_rows = sum(labelled[max(0, end - train) : end]), sum(labelled[end:usable])
    low, high = _row_count(events)
    gap, missing = _gaps(events, train + test + lookback + maturity + 1)
    window = Window(
        train_days=train,
        test_days=test,
        validation_days=max(2, min(7, train // 6)),
        lookback_days=lookback,
        min_rows=max(10, _round_down(train_rows / 3)),
    )
    validation = Validation(
        row_count_low=low,
        row_count_high=high,
        max_gap_days=max(3, gap + gap // 2),
        freshness_days=max(3, gap + gap // 2),
        max_missing_share=max(0.2, min(1.0, math.ceil(missing * 10 + 1) / 10)),
        min_label_coverage=_coverage(target),
    )
    notes += _rare_classes(target, test_rows)
    return Plan(
        window,
        validation,
        maturity,
        sum(labelled) / span,
        train_rows,
        test_rows,
        train_rows < FEW_ROWS,
        tuple(notes),
    )


def _labelled_a_day(events: Events, target: Target) -> list[int]:
    """Labelled rows of every calendar day from the first to the last."""
    import numpy as np

    counts = [0] * ((events.last - events.first).days + 1)
    for day, start, rows in events.days:
        counts[(day - events.first).days] = int((~np.isnan(target.codes[start : start + rows])).sum())
    return counts


def _test_days(events: Events, target: Target, labelled: Sequence[int], maturity: int) -> int:
    """A sixth of the days, at most two weeks or what holds enough rows; more where they hold one class only."""
    usable = len(labelled)
    sixth, longest = max(3, usable // 6), usable - MIN_TRAIN_DAYS
    shortest = max(3, min(14, sixth))
    while shortest < sixth and sum(labelled[usable - shortest :]) < ENOUGH_TEST_ROWS:
        shortest += 1
    for days in range(shortest, longest + 1):
        if len(_kinds(events, target, days, maturity)) >= 2:
            return days
    raise ConfigError(
        f"the newest {longest} days with labels hold one value of {shorten(events.label, 60)} only",
        where="--label",
        remedy="bring days on which both happened",
    )


def _train_days(labelled: Sequence[int], available: int) -> int:
    """The usual length, or what holds enough rows, of the days before the test days."""
    days = min(USUAL_TRAIN_DAYS, max(MIN_TRAIN_DAYS, available))
    longest = min(LONGEST_TRAIN_DAYS, available)
    while days < longest and sum(labelled[-days:]) < ENOUGH_TRAIN_ROWS:
        days += 1
    return days


def _kinds(events: Events, target: Target, days: int, maturity: int) -> set[float]:
    import numpy as np

    last = events.last - timedelta(days=maturity)
    found: set[float] = set()
    for day, start, rows in events.days:
        if last - timedelta(days=days) < day <= last:
            codes: Any = target.codes[start : start + rows]
            found |= set(np.unique(codes[~np.isnan(codes)])[:2].tolist())
    return found


def _row_count(events: Events) -> tuple[float, float]:
    """Bounds of a day's rows against the usual number: the defaults, or wider where the file's own days need it."""
    default = Validation()
    history: list[int] = []
    low, high = 1.0, 1.0
    for _, _, rows in events.days:
        if len(history) >= MIN_HISTORY:
            ratio = rows / statistics.median(history[-HISTORY:])
            low, high = min(low, ratio), max(high, ratio)
        history.append(rows)
    return (
        default.row_count_low if low >= 2 * default.row_count_low else math.floor(low * 50) / 100,
        default.row_count_high if high <= default.row_count_high / 2 else min(1000.0, float(math.ceil(2 * high))),
    )


def _gaps(events: Events, window: int) -> tuple[int, float]:
    """The longest run of days without rows, and the largest share of such days in any window of so many."""
    import numpy as np

    steps = [(later[0] - day[0]).days - 1 for day, later in zip(events.days, events.days[1:], strict=False)]
    there = np.zeros((events.last - events.first).days + 1)
    there[[(day - events.first).days for day, _, _ in events.days]] = 1
    length = min(window, len(there))
    sums = np.convolve(there, np.ones(length), "valid")
    return max(steps), float(1 - sums.min() / length)


def _coverage(target: Target) -> float:
    known = 1 - target.missing
    return 0.8 if known >= 0.9 else math.floor(known * 70) / 100


def _rare_classes(target: Target, test_rows: int) -> list[str]:
    import numpy as np

    if target.task is Task.REGRESSION:
        return []
    known = target.codes[~np.isnan(target.codes)].astype(np.int64)
    shares = np.bincount(known, minlength=2) / len(known)
    expected = float(shares.min()) * test_rows
    if expected >= 20:
        return []
    return [f"the rarest class has about {expected:.0f} rows on the test days: its metrics will jump from run to run"]


def _round_down(value: float) -> int:
    """`value` with its leading digit and zeros after it."""
    size = 10 ** max(0, len(str(int(value))) - 1)
    return int(value // size * size)


def spread(values: Sequence[float]) -> float:
    """The standard deviation of the labels, to two digits."""
    import numpy as np

    known = np.asarray(values, dtype=np.float64)
    return float(f"{float(np.nanstd(known)):.2g}")

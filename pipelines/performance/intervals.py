"""How far a metric of so many rows may lie from what many more would show: a seeded bootstrap of the rows."""

from __future__ import annotations

import math
from typing import TYPE_CHECKING, Any

from pipelines.config.model import Task
from pipelines.evaluation.metrics import NAMES, Metrics, compute, rounded

if TYPE_CHECKING:
    from numpy.typing import NDArray

SHARE = 0.9
REPLICATES = 200
DRAWN = 5_000
Interval = tuple[float, float]


def intervals(
    task: Task, label: NDArray[Any], score: NDArray[Any], metrics: Metrics, seed: int
) -> dict[str, Interval | None]:
    """For each of `metrics` (of these n rows) where 90 of 100 samples of n rows would put it; None where it has none.

    Of more than 5,000 rows so many are drawn each time, and the spread is narrowed by the square root of the ratio.
    Rows are taken as independent: a day's common luck (one storm for all) is not in it.
    """
    import numpy as np

    rows = len(label)
    if not rows:
        return dict.fromkeys(NAMES[task])
    random, drawn = np.random.default_rng(seed), min(rows, DRAWN)
    found: dict[str, list[float]] = {name: [] for name in NAMES[task]}
    for _ in range(REPLICATES):
        taken = random.integers(0, rows, drawn)
        for name, value in compute(task, label[taken], score[taken]).items():
            if value is not None:
                found[name].append(value)
    narrow = math.sqrt(drawn / rows)
    return {name: _interval(metrics[name], values, narrow) for name, values in found.items()}


def _interval(value: float | None, found: list[float], narrow: float) -> Interval | None:
    import numpy as np

    if value is None or len(found) < REPLICATES // 2:
        return None
    tail = (1 - SHARE) / 2
    low, middle, high = np.quantile(found, [tail, 0.5, 1 - tail])
    ends = (rounded(value + float(end - middle) * narrow) for end in (low, high))
    first, last = ends
    return (first, last) if first is not None and last is not None else None

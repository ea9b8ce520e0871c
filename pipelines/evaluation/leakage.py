"""Signs that the label, or the time of a row, has found its way into the features."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from pipelines.config.model import Task
from pipelines.engines.columns import Columns
from pipelines.evaluation.metrics import rounded
from pipelines.evaluation.ranking import Ranking

if TYPE_CHECKING:
    import pyarrow as pa
    from numpy.typing import NDArray

    Array = NDArray[Any]

LEAVES = 64
# The bound asks for rows told apart nearly without fail, which few rounds do as well as the fifty of drift.
ROUNDS = 15
CALENDAR = 31
_SHOWN = 5
_PRIOR_ROWS = 1.0


@dataclass(frozen=True)
class LeakageFacts:
    """`single`: what one feature alone explains of the label (AUC; R2 of a regression), strongest five, on `rows` rows.

    `membership`: the AUC of a classifier that tells training rows from test rows, and its 90% interval; None: too few.
    `clock`: the feature that follows the order of the rows most closely, and its rank correlation; None: none could.
    """

    measure: str
    single: tuple[tuple[str, float], ...]
    rows: int
    membership: float | None
    membership_interval: tuple[float, float] | None
    clock: tuple[str, float] | None = None


def strengths(task: Task, columns: Columns, block: Array, label: Array, classes: int) -> tuple[tuple[str, float], ...]:
    """Every feature of `block` (n, features) with what it alone explains of `label` (n,), strongest first.

    A tree of one feature learns from every other row and is judged on the rest, so that a feature of many values
    explains nothing by knowing rows by heart. Several classes: the mean of their AUCs.
    """
    import numpy as np

    fit = np.arange(len(label)) % 2 == 0
    wanted = np.column_stack([label == k for k in range(classes)]) if task is Task.MULTICLASS else label[:, None]
    found = []
    for place, item in enumerate(columns.features):
        values = block[:, place]
        if item.kind == "category":
            # Put in the order of their mean labels, few cuts part what a code's place would not.
            values = _means(values.astype(np.int64), label, fit)
        found.append((item.name, _strength(task, values, wanted.astype(np.float64), fit)))
    return tuple(sorted(found, key=lambda pair: (-pair[1], pair[0]))[:_SHOWN])


def membership(train: pa.Table, test: pa.Table, seed: int) -> tuple[float, tuple[float, float]] | None:
    """The AUC of telling `test` rows from `train` rows by all their columns, with its 90% interval; None: too few.

    Stretches of days that it has not learnt from are judged: having weather of its own does not give a day away.
    """
    from pipelines.drift.multivariate import BLOCKS, separability

    if min(train.num_rows, test.num_rows) < 2 * BLOCKS:
        return None
    found = separability(train, test, seed, ROUNDS)
    return float(f"{found.auc:.6g}"), (float(f"{found.low:.6g}"), float(f"{found.high:.6g}"))


def clock(columns: Columns, block: Array) -> tuple[str, float] | None:
    """The number of `block` (n, features) whose ranks follow its rows' order of time most closely, with |correlation|.

    Weekdays, hours, days of a month and months have few values, and are no clocks: features of over 31 values count.
    """
    import numpy as np

    found = []
    for place, item in enumerate(columns.features):
        values = block[:, place]
        if item.kind == "number" and len(np.unique(values)) > CALENDAR:
            follows = float(np.corrcoef(_ranks(values), np.arange(len(values)))[0, 1])
            found.append((item.name, _known(abs(follows))))
    return max(found, key=lambda pair: (pair[1], pair[0])) if found else None


def facts(
    task: Task,
    single: Sequence[tuple[str, float]],
    rows: int,
    apart: tuple[float, tuple[float, float]] | None,
    ticking: tuple[str, float] | None = None,
) -> LeakageFacts:
    """What was found, as the gate reads it."""
    measure = "R2" if task is Task.REGRESSION else "AUC"
    return LeakageFacts(measure, tuple(single), rows, apart[0] if apart else None, apart[1] if apart else None, ticking)


def _strength(task: Task, values: Array, wanted: Array, fit: Array) -> float:
    """`wanted` is (n, outputs): the label, or one column a class."""
    import numpy as np
    from sklearn.tree import DecisionTreeRegressor

    if not len(values) or np.ptp(values) == 0:
        return 0.0 if task is Task.REGRESSION else 0.5
    tree = DecisionTreeRegressor(max_leaf_nodes=LEAVES, min_samples_leaf=5, random_state=0)
    said = tree.fit(values[fit, None], wanted[fit]).predict(values[~fit, None]).reshape(-1, wanted.shape[1])
    judged = wanted[~fit]
    if task is Task.REGRESSION:
        spread = float(np.sum((judged - judged.mean()) ** 2))
        return max(0.0, _known(1 - float(np.sum((judged - said) ** 2)) / spread)) if spread > 0 else 0.0
    areas = [Ranking.of(judged[:, k], said[:, k]).auc() for k in range(wanted.shape[1])]
    known = [area for area in areas if area is not None]
    return _known(sum(known) / len(known)) if known else 0.5


def _means(codes: Array, label: Array, fit: Array) -> Array:
    """The mean label of each row's code over the rows to learn from, drawn a little towards the mean of all, (n,)."""
    import numpy as np

    size = int(codes.max()) + 1 if len(codes) else 0
    overall = float(label[fit].mean()) if fit.any() else 0.0
    sums = np.bincount(codes[fit], weights=label[fit], minlength=size) + overall * _PRIOR_ROWS
    found: Array = (sums / (np.bincount(codes[fit], minlength=size) + _PRIOR_ROWS))[codes]
    return found


def _ranks(values: Array) -> Array:
    """The place of each value among all, equal ones alike, (n,); SciPy's takes a second to import."""
    import numpy as np

    _, place, counts = np.unique(values, return_inverse=True, return_counts=True)
    ranks: Array = (np.cumsum(counts) - counts / 2)[place]
    return ranks


def _known(value: float) -> float:
    return rounded(value) or 0.0

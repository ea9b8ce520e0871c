"""Where a challenger is weak: in the slices that somebody named, and in parts of the rows that nobody thought of."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from pipelines.config.model import Task
from pipelines.engines.columns import Columns
from pipelines.evaluation.metrics import Metrics, rounded
from pipelines.performance.loss import prior, prior_loss, row_loss
from pipelines.storage.model_file import NULL_NUMBER

if TYPE_CHECKING:
    from numpy.typing import NDArray

    Array = NDArray[Any]

DEPTH = 2
_SHOWN_VALUES = 4


@dataclass(frozen=True)
class Part:
    """The rows that have `value` in `column`, and the models' metrics on them; no champion: None."""

    column: str
    value: str
    rows: int
    challenger: Metrics
    champion: Metrics | None


@dataclass(frozen=True)
class Segment:
    """Rows that a `rule` in words tells apart, the challenger's mean loss on them, and how many times that of all.

    `prior_loss` is what always saying the segment's own mean label would lose there: how hard its rows are.
    """

    rule: str
    rows: int
    loss: float
    ratio: float
    prior_loss: float | None


@dataclass(frozen=True)
class SliceFacts:
    """Slices of at least the gate's rows; segments, worst first, found on `rows` rows with the mean loss `loss`."""

    parts: tuple[Part, ...]
    segments: tuple[Segment, ...]
    rows: int
    loss: float | None


def parts_of(document: Sequence[dict[str, Any]], models: Sequence[str], min_rows: int) -> tuple[Part, ...]:
    """The parts of `min_rows` rows or more in the answer of `slices.by_slice` about `models`, the challenger first."""
    rival = models[1] if len(models) > 1 else None
    return tuple(
        Part(column["column"], item["value"], item["rows"], item[models[0]], item[rival] if rival else None)
        for column in document
        for item in column["values"]
        if item["rows"] >= min_rows
    )


def weak(
    task: Task, columns: Columns, block: Array, label: Array, score: Array, min_rows: int, seed: int
) -> tuple[tuple[Segment, ...], float | None]:
    """Segments that lose more than all rows do, worst first, and the mean loss of all.

    A tree of depth 2 on the rows' losses, over `block` (n, features) as the model reads it, each of whose leaves has at
    least `min_rows` rows. None are found where scores are no numbers, or rows too few to be parted.
    """
    import numpy as np
    from sklearn.tree import DecisionTreeRegressor

    if not len(label) or not np.isfinite(score).all():
        return (), None
    loss = row_loss(task, label, score)
    mean = float(loss.mean())
    if len(label) < 2 * min_rows or mean <= 0:
        return (), rounded(mean)
    tree = DecisionTreeRegressor(max_depth=DEPTH, min_samples_leaf=min_rows, random_state=seed).fit(block, loss)
    leaf = tree.apply(block)
    classes, leaves = score.shape[1] if score.ndim == 2 else 0, np.unique(leaf)
    found = []
    for number in leaves:
        rows = leaf == number
        own = float(loss[rows].mean())
        if own > mean and len(leaves) > 1:
            hard = prior_loss(task, label[rows], prior(task, label[rows], classes))
            rule = _rule(tree.tree_, int(number), columns, block[rows])
            found.append(Segment(rule, int(rows.sum()), _short(own), _short(own / mean), hard and _short(hard)))
    return tuple(sorted(found, key=lambda item: (-item.ratio, item.rule))), rounded(mean)


def _short(value: float) -> float:
    return float(f"{value:.9g}")


def _rule(tree: Any, leaf: int, columns: Columns, rows: Array) -> str:
    """The way to `leaf` in words; `rows` are those that went it."""
    said = []
    for node, left in _path(tree, leaf):
        place = int(tree.feature[node])
        item, values = columns.features[place], rows[:, place]
        if item.kind == "category":
            said.append(f"{item.name} {_among(columns.vocabularies[item.name], values)}")
        else:
            said.append(f"{item.name} {_side(float(tree.threshold[node]), left, values)}")
    return " and ".join(dict.fromkeys(said))


def _path(tree: Any, leaf: int) -> list[tuple[int, bool]]:
    """The nodes above `leaf`, from the top, each with whether the way went left (at most the threshold)."""
    above = {int(child): (node, True) for node, child in enumerate(tree.children_left) if child >= 0}
    above |= {int(child): (node, False) for node, child in enumerate(tree.children_right) if child >= 0}
    way = []
    while leaf in above:
        way.append(above[leaf])
        leaf = above[leaf][0]
    return way[::-1]


def _among(vocabulary: Sequence[str], codes: Array) -> str:
    import numpy as np

    known, counts = np.unique(codes.astype(np.int64), return_counts=True)
    ranked = [vocabulary[code] for _, code in sorted(zip(-counts, known, strict=True))]
    more = f" or {len(ranked) - _SHOWN_VALUES} more" if len(ranked) > _SHOWN_VALUES else ""
    return f"is {', '.join(ranked[:_SHOWN_VALUES])}{more}"


def _side(threshold: float, left: bool, values: Array) -> str:
    """A null is a number far below all others: it goes left, and a threshold down there parts it from the rest."""
    if threshold < NULL_NUMBER / 10:
        return "is missing" if left else "is known"
    missing = bool((values <= NULL_NUMBER / 10).any())
    bound = f"{threshold:.{_digits(threshold)}g}"
    return f"<= {bound}{' or missing' if missing else ''}" if left else f"> {bound}"


def _digits(value: float) -> int:
    """Four significant digits, or as many as a whole number has."""
    return max(4, math.floor(math.log10(abs(value))) + 1) if value else 4

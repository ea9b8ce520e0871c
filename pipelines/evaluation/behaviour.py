"""How scores move when one feature is changed on purpose: what the model's author said of it, measured."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import asdict, dataclass
from typing import TYPE_CHECKING, Any

from pipelines.config.gates import BehaviourGate, Direction
from pipelines.config.model import Task
from pipelines.engines.columns import Columns
from pipelines.errors import ConfigError, shorten
from pipelines.evaluation.metrics import rounded
from pipelines.evaluation.sampling import affordable, spread
from pipelines.storage.model_file import NULL_NUMBER

if TYPE_CHECKING:
    from numpy.typing import NDArray

    Array = NDArray[Any]

VALUES = 10


@dataclass(frozen=True)
class Moved:
    """The mean absolute movement of scores when `column` is set to `value` everywhere, the value that moves them most.

    A row's movement is half the sum over classes of |after - before|; of a regression it is |after - before|.
    """

    column: str
    value: str
    mean: float | None


@dataclass(frozen=True)
class Turned:
    """The change of the mean score when the number `column` grows by `by`, and the share of rows whose score rises."""

    column: str
    by: float
    change: float | None
    rising: float


@dataclass(frozen=True)
class Behaviour:
    """Answers in the order of the rules, on `rows` sampled test rows."""

    rows: int
    invariance: tuple[Moved, ...]
    direction: tuple[Turned, ...]

    def as_json(self) -> dict[str, Any]:
        """For `metrics.json` and the model card."""
        return asdict(self)


def check(rule: BehaviourGate, task: Task, columns: Columns) -> None:
    """Raises ConfigError if a rule names no feature, or a direction no number, or if the task has no one score."""
    kinds = {item.name: item.kind for item in columns.features}
    for where, names in (("invariance", rule.invariance), ("direction", rule.direction)):
        for item in names:
            if item.column not in kinds:
                raise ConfigError(
                    f"{shorten(repr(item.column))} is no feature of the model",
                    where=f"gates.behaviour.{where}",
                    remedy=f"use some of: {shorten(', '.join(kinds), 120)}",
                )
            if isinstance(item, Direction) and kinds[item.column] != "number":
                raise ConfigError(
                    f"{item.column} is a category, which cannot grow",
                    where="gates.behaviour.direction",
                    remedy="name a number",
                )
    if rule.direction and task is Task.MULTICLASS:
        raise ConfigError(
            "a multiclass model has no one score that could rise or fall",
            where="gates.behaviour.direction",
            remedy="leave it out, or use invariance",
        )


def measure(
    rule: BehaviourGate, columns: Columns, predict: Callable[[Array], Array], block: Array, trees: int = 1
) -> Behaviour | None:
    """What every rule asks about, on `block` (rows, features) as `Columns.block` gives it; None without rules.

    Of a model of many `trees` fewer rows are asked about.
    """
    if not (rule.invariance or rule.direction) or not len(block):
        return None
    times = 1 + VALUES * len(rule.invariance) + len(rule.direction)
    block = block[spread(len(block), affordable(len(block), times, trees))]
    before = predict(block)
    return Behaviour(
        len(block),
        tuple(_moved(item.column, columns, predict, block, before) for item in rule.invariance),
        tuple(_turned(item, columns, predict, block, before) for item in rule.direction),
    )


def _moved(column: str, columns: Columns, predict: Callable[[Array], Array], block: Array, before: Array) -> Moved:
    place = columns.names.index(column)
    changed = block.copy()
    worst: tuple[float, float] | None = None
    for value in _values(columns, place, block[:, place]):
        changed[:, place] = value
        mean = _movement(before, predict(changed))
        if worst is None or not mean <= worst[0]:
            worst = mean, value
    if worst is None:
        return Moved(column, "", 0.0)
    return Moved(column, _text(columns, place, worst[1]), rounded(worst[0]))


def _values(columns: Columns, place: int, values: Array) -> list[float]:
    """The ten most frequent categories, or ten numbers from the fifth to the ninety-fifth percentile."""
    import numpy as np

    if columns.features[place].kind == "category":
        codes, counts = np.unique(values, return_counts=True)
        ranked = sorted(zip(-counts, codes, strict=True))
        return [float(code) for _, code in ranked[:VALUES]]
    known = values[values != np.float32(NULL_NUMBER)]
    if not len(known):
        return []
    return [float(value) for value in np.unique(np.quantile(known, np.linspace(0.05, 0.95, VALUES), method="nearest"))]


def _movement(before: Array, after: Array) -> float:
    import numpy as np

    apart = np.abs(after.astype(np.float64) - before.astype(np.float64))
    return float(np.mean(apart.sum(axis=1) / 2 if apart.ndim == 2 else apart))


def _turned(
    rule: Direction, columns: Columns, predict: Callable[[Array], Array], block: Array, before: Array
) -> Turned:
    import numpy as np

    place = columns.names.index(rule.column)
    changed = block.copy()
    values = block[:, place]
    changed[:, place] = np.where(values == np.float32(NULL_NUMBER), values, values + np.float32(rule.by))
    moved = predict(changed).astype(np.float64) - before.astype(np.float64)
    return Turned(rule.column, rule.by, rounded(float(np.mean(moved))), float(np.mean(moved > 0)))


def _text(columns: Columns, place: int, value: float) -> str:
    item = columns.features[place]
    return columns.vocabularies[item.name][int(value)] if item.kind == "category" else f"{value:.6g}"

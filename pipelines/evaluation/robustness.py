"""What a spoilt input costs: the loss of sampled test rows with one feature missing, shaken, scaled or unknown."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import asdict, dataclass
from typing import TYPE_CHECKING, Any

from pipelines.config.model import Task
from pipelines.engines.columns import Columns
from pipelines.evaluation.metrics import rounded
from pipelines.evaluation.sampling import FEWEST_ROWS, affordable, spread
from pipelines.performance.loss import prior, prior_loss, row_loss
from pipelines.storage.model_file import NULL_NUMBER

if TYPE_CHECKING:
    from numpy.typing import NDArray

    Array = NDArray[Any]

NOISE = 0.1
MILES = 1.609
# With many features fewer rows are tried: the 43 features of flights on 5,000 rows each took as long as all the rest.
MOST_ROWS_SCORED = 150_000


@dataclass(frozen=True)
class Spoilt:
    """How much the mean loss grows when `feature` is spoilt, in units of `Robustness.scale`; None: it is no number."""

    feature: str
    kind: str
    growth: float | None


@dataclass(frozen=True)
class Robustness:
    """The mean loss of a row on `rows` rows as they are, and the growth for every feature and way of spoiling it.

    Growth is told in units of `scale`: what saying the same of every row loses, or the model's own loss if that is
    more. Relative to its own loss a model would be the more fragile the better it is: half a per cent wrong, say, is
    easily multiplied by ten, and still far better than knowing nothing.

    A category that is missing and one of a value never seen are the same code, so it is asked once, as `unknown`.
    """

    rows: int
    loss: float | None
    scale: float | None
    spoilt: tuple[Spoilt, ...]

    def of(self, kind: str) -> tuple[Spoilt, ...]:
        """The answers of one kind, the worst first; one that is no number is worse than any."""
        found = [item for item in self.spoilt if item.kind == kind]
        return tuple(sorted(found, key=lambda item: (item.growth is not None, -(item.growth or 0.0), item.feature)))

    def as_json(self) -> dict[str, Any]:
        """For `metrics.json` and the model card: the worst growth of every kind."""
        kinds = dict.fromkeys(item.kind for item in self.spoilt)
        return {"rows": self.rows, "loss": self.loss, "scale": self.scale} | {
            kind: asdict(self.of(kind)[0]) for kind in kinds
        }


def measure(
    task: Task,
    columns: Columns,
    predict: Callable[[Array], Array],
    block: Array,
    label: Array,
    seed: int,
    trees: int = 1,
) -> Robustness:
    """Spoil each of `columns` in `block` (rows, features), as `Columns.block` gives it, and score again.

    `label` is (rows,), as `metrics.compute` takes it. Of a model of many `trees` fewer rows are tried. The same rows
    and `seed` give the same answers.
    """
    times = max(1, 3 * len(columns.features))
    rows = min(max(FEWEST_ROWS, MOST_ROWS_SCORED // times), affordable(len(block), times, trees))
    places = spread(len(block), rows)
    block, label = block[places], label[places]
    score = predict(block)
    before = _loss(task, label, score)
    scale = _scale(task, label, score, before)
    spoilt = []
    for place, item in enumerate(columns.features):
        kept = block[:, place].copy()
        for kind, values in _spoil(item.kind, kept, seed + place):
            block[:, place] = values
            after = _loss(task, label, predict(block))
            spoilt.append(Spoilt(item.name, kind, _growth(before, after, scale)))
        block[:, place] = kept
    return Robustness(len(block), rounded(before), rounded(scale), tuple(spoilt))


def _spoil(kind: str, values: Array, seed: int) -> Iterator[tuple[str, Array]]:
    import numpy as np

    if kind == "category":
        yield "unknown", np.zeros_like(values)
        return
    null = np.float32(NULL_NUMBER)
    known = values != null
    yield "missing", np.full_like(values, null)
    spread = float(np.std(values[known], dtype=np.float64)) if known.any() else 0.0
    noise = np.random.default_rng(seed).normal(0.0, NOISE, len(values)) * spread
    yield "noise", np.where(known, values + noise, null).astype(np.float32)
    yield "unit", np.where(known, values * np.float32(MILES), null).astype(np.float32)


def _loss(task: Task, label: Array, score: Array) -> float:
    """The mean loss, or NaN if a score is no finite number: a bounded loss would hide it."""
    import numpy as np

    if not len(label) or not np.isfinite(score).all():
        return float("nan")
    return float(row_loss(task, label, score).mean())


def _scale(task: Task, label: Array, score: Array, own: float) -> float:
    classes = score.shape[1] if score.ndim > 1 else 1
    nothing = prior_loss(task, label, prior(task, label, classes))
    # Labels that are all the same cost nothing to know: below a millionth the scale is a millionth.
    return max(own, nothing or 0.0, 1e-6)


def _growth(before: float, after: float, scale: float) -> float | None:
    return rounded((after - before) / scale)

"""What one row's score costs, and sums of it that merge over days."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass, fields
from typing import TYPE_CHECKING, Any, Self

from pipelines.config.model import Task
from pipelines.evaluation.metrics import SMALLEST

if TYPE_CHECKING:
    from numpy.typing import NDArray


@dataclass(frozen=True)
class Sums:
    """Sums over labelled rows. `score_sum` and `label_sum` are of class 1, or of the value; 0 for several classes."""

    rows: int = 0
    loss_sum: float = 0.0
    label_sum: float = 0.0
    score_sum: float = 0.0

    @property
    def loss(self) -> float | None:
        """The mean loss of a row; None without rows."""
        return self._mean(self.loss_sum)

    @property
    def label_mean(self) -> float | None:
        """The mean label; None without rows."""
        return self._mean(self.label_sum)

    @property
    def score_mean(self) -> float | None:
        """The mean score; None without rows."""
        return self._mean(self.score_sum)

    @classmethod
    def of(cls, task: Task, label: NDArray[Any], score: NDArray[Any]) -> Self:
        """The sums of n labelled rows; shapes as `metrics.compute` takes them."""
        if task is Task.MULTICLASS:
            return cls(len(label), float(row_loss(task, label, score).sum()))
        return cls(
            len(label),
            float(row_loss(task, label, score).sum()),
            float(label.sum(dtype="float64")),
            float(score.sum(dtype="float64")),
        )

    @classmethod
    def total(cls, parts: Iterable[Self]) -> Self:
        """The sums of the rows of all `parts`."""
        kept = list(parts)
        names = [item.name for item in fields(cls)]
        return cls(**{name: sum(getattr(part, name) for part in kept) for name in names})

    @classmethod
    def from_json(cls, value: dict[str, Any]) -> Self:
        """The sums in a JSON object, which may hold more."""
        return cls(**{item.name: value[item.name] for item in fields(cls)})

    def _mean(self, total: float) -> float | None:
        return total / self.rows if self.rows else None


def row_loss(task: Task, label: NDArray[Any], score: NDArray[Any]) -> NDArray[Any]:
    """The loss (n,) of every row in float64: log loss of a probability, the squared error of a value.

    `label` is (n,): 0 or 1, the index of the class, or the value; `score` is (n,), or (n, k) for k classes.
    """
    import numpy as np

    exact = score.astype(np.float64)
    if task is Task.REGRESSION:
        return np.asarray((exact - label) ** 2)
    if task is Task.MULTICLASS:
        own = np.take_along_axis(exact, label.astype(np.int64)[:, None], axis=1)[:, 0]
        return np.asarray(-np.log(np.clip(own, SMALLEST, 1.0)))
    clipped = np.clip(exact, SMALLEST, 1 - SMALLEST)
    return np.asarray(-np.log(np.where(label > 0, clipped, 1 - clipped)))


def prior(task: Task, label: NDArray[Any], classes: int) -> tuple[float, ...]:
    """What somebody who knows nothing of a row would say: the shares of the classes, or the mean. (1,) or (k,)."""
    import numpy as np

    if not len(label):
        return ()
    if task is Task.MULTICLASS:
        return tuple(float(share) for share in np.bincount(label.astype(np.int64), minlength=classes) / len(label))
    return (float(np.mean(label, dtype=np.float64)),)


def prior_loss(task: Task, label: NDArray[Any], known: tuple[float, ...]) -> float | None:
    """The mean loss of saying `known` of every one of n rows; None where there is nothing to say, or no rows."""
    import numpy as np

    if not known or not len(label):
        return None
    said = np.array(known, np.float64)
    score = np.broadcast_to(said, (len(label), len(said))) if task is Task.MULTICLASS else np.full(len(label), said[0])
    return float(row_loss(task, label, score).mean())

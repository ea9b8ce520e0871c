"""What a day's predictions were worth, once its labels have come."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import asdict, dataclass, field
from typing import TYPE_CHECKING, Any

from pipelines.config.model import Task
from pipelines.evaluation.metrics import Metrics, compute
from pipelines.evaluation.scoring import Codes
from pipelines.performance.intervals import Interval, intervals
from pipelines.performance.loss import Sums

if TYPE_CHECKING:
    from numpy.typing import NDArray

MAX_VALUES = 50


@dataclass(frozen=True)
class Realised:
    """The metrics of a day's labelled rows with 90% intervals, and sums that merge over days, of all and by slice."""

    rows: int
    sums: Sums
    metrics: Metrics
    intervals: Mapping[str, Interval | None]
    slices: Mapping[str, Mapping[str, Sums]] = field(default_factory=dict)

    def to_json(self) -> dict[str, Any]:
        """Its JSON form: `rows` scored, of which `labelled` have a label, and the rest by name."""
        return {
            "rows": self.rows,
            "labelled": self.sums.rows,
            "loss_sum": self.sums.loss_sum,
            "label_sum": self.sums.label_sum,
            "score_sum": self.sums.score_sum,
            "metrics": dict(self.metrics),
            "intervals": {name: list(ends) if ends else None for name, ends in self.intervals.items()},
            "slices": {
                column: {value: asdict(sums) for value, sums in values.items()}
                for column, values in self.slices.items()
            },
        }


def realised(
    task: Task, label: NDArray[Any], score: NDArray[Any], slices: Mapping[str, Codes], *, seed: int = 0
) -> Realised:
    """The worth of scores (n,) or (n, k) against float64 labels (n,), NaN where none came.

    Of each slicing column the 50 largest values are kept; what lies beyond is in no slice.
    """
    import numpy as np

    there = np.isfinite(label)
    known, scores = label[there], score[there]
    metrics = compute(task, known, scores)
    return Realised(
        rows=len(label),
        sums=Sums.of(task, known, scores),
        metrics=metrics,
        intervals=intervals(task, known, scores, metrics, seed),
        slices={name: _slices(task, known, scores, codes, there) for name, codes in slices.items()},
    )


def _slices(task: Task, label: NDArray[Any], score: NDArray[Any], codes: Codes, there: NDArray[Any]) -> dict[str, Sums]:
    import numpy as np

    own = codes.codes[there]
    counts = np.bincount(own, minlength=len(codes.values))
    ranked = sorted(np.flatnonzero(counts).tolist(), key=lambda code: (-counts[code], codes.values[code]))
    masks = ((codes.values[code], own == code) for code in ranked[:MAX_VALUES])
    return {value: Sums.of(task, label[mask], score[mask]) for value, mask in masks}

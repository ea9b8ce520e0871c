"""One light pass over the training rows' labels and categories: what they are, and whether they may be trained on."""

from __future__ import annotations

from collections import Counter
from dataclasses import dataclass
from typing import TYPE_CHECKING

from pipelines.config.model import Task, Training
from pipelines.engines.columns import Columns
from pipelines.engines.rows import Rows
from pipelines.errors import DataError
from pipelines.storage.model_file import UNKNOWN, Feature

if TYPE_CHECKING:
    import numpy as np
    import pyarrow as pa
    from numpy.typing import NDArray

_REMEDY = "mend label.expression in model.yaml or the table it reads"


@dataclass(frozen=True)
class Survey:
    """What the training rows hold. `classes` counts rows by label value; it is empty for a regression."""

    rows: int
    classes: tuple[int, ...]
    columns: Columns

    def weights(self, training: Training) -> tuple[float, ...]:
        """A weight by class that makes all classes count the same, or nothing when the classes are not weighed."""
        if training.class_weight == "none" or not self.classes:
            return ()
        present = sum(1 for rows in self.classes if rows)
        return tuple(self.rows / (present * rows) if rows else 0.0 for rows in self.classes)


def survey(rows: Rows, features: tuple[Feature, ...], training: Training, task: Task, classes: int) -> Survey:
    """Count labels and categories of `rows`; `classes` is the number of them in a multiclass task.

    Raises:
        DataError: no rows, a label that is NaN, infinite or no class, or one class only.
    """
    names = [item.name for item in features if item.kind == "category"]
    values: dict[str, Counter[str]] = {name: Counter() for name in names}
    labels = _Labels(task, classes, rows)
    for batch in rows.batches([*names, "label"]):
        labels.add(batch.column("label").to_numpy(zero_copy_only=False))
        for name in names:
            _count(batch.column(name), values[name])
    labels.check()
    vocabularies = {name: _vocabulary(counts, training) for name, counts in values.items()}
    return Survey(labels.rows, tuple(labels.counts), Columns(features, vocabularies))


def check_labels(rows: Rows, task: Task, classes: int) -> int:
    """How many labelled `rows` there are; raises DataError as `survey` does."""
    labels = _Labels(task, classes, rows)
    for batch in rows.batches(["label"]):
        labels.add(batch.column("label").to_numpy(zero_copy_only=False))
    labels.check()
    return labels.rows


class _Labels:
    def __init__(self, task: Task, classes: int, rows: Rows) -> None:
        self.task, self.where, self.rows, self.bad = task, f"label, {rows.first} to {rows.last}", 0, 0
        self.example = 0.0
        self.low, self.high = float("inf"), float("-inf")
        self.counts = [0] * {Task.BINARY: 2, Task.MULTICLASS: classes, Task.REGRESSION: 0}[task]

    def add(self, values: NDArray[np.float64]) -> None:
        import numpy as np

        self.rows += len(values)
        bad = ~np.isfinite(values)
        if self.counts:
            bad |= (values < 0) | (values >= len(self.counts)) | (values != np.floor(values))
        if bad.any():
            self.bad += int(bad.sum())
            self.example = float(values[bad][0])
            return
        self.low, self.high = min(self.low, float(values.min())), max(self.high, float(values.max()))
        if self.counts:
            found = np.bincount(values.astype(np.int64), minlength=len(self.counts))
            self.counts = [old + int(new) for old, new in zip(self.counts, found, strict=True)]

    def check(self) -> None:
        if not self.rows:
            raise DataError("no labelled rows", where=self.where, remedy="choose another window, or ingest these days")
        if self.bad:
            legal = f"0 to {len(self.counts) - 1}" if self.counts else "finite numbers"
            raise DataError(
                f"{self.bad} of {self.rows} labels are not legal for {self.task}, as {self.example!r} (legal: {legal})",
                where=self.where,
                remedy=_REMEDY,
            )
        if self.low == self.high:
            raise DataError(
                f"all {self.rows} labels are {self.low:g}: there is nothing to learn", where=self.where, remedy=_REMEDY
            )


def _count(column: pa.Array, counts: Counter[str]) -> None:
    import pyarrow as pa

    plain = column if pa.types.is_dictionary(column.type) else column.cast(pa.string())
    for item in plain.value_counts().to_pylist():
        if item["values"] is not None:
            counts[str(item["values"])] += item["counts"]


def _vocabulary(counts: Counter[str], training: Training) -> tuple[str, ...]:
    """`(unknown)` and then, sorted, the most frequent of the values with enough rows; ties go to the first by name."""
    often = [(-rows, value) for value, rows in counts.items() if rows >= training.min_category_rows]
    kept = [value for _, value in sorted(often)[: training.max_categories] if value != UNKNOWN]
    return (UNKNOWN, *sorted(kept))

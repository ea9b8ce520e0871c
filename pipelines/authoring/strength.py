"""How much one column alone says about the label, on rows it was not fitted on: leaks, and what to group by."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING, Any

from pipelines.authoring.columns import Column, Use
from pipelines.authoring.infer import Target
from pipelines.authoring.source import Events
from pipelines.config.model import Task

if TYPE_CHECKING:
    import pyarrow as pa

LEAK = 0.99
SUSPECT = {Task.BINARY: 0.85, Task.MULTICLASS: 0.85, Task.REGRESSION: 0.8}
SAMPLE = 50_000
_BINS = 500
_PRIOR_ROWS = 1.0


def strengths(events: Events, columns: Sequence[Column], target: Target) -> dict[str, float]:
    """Per column that may be a feature its AUC (mean over the classes) or, for a regression, its R2.

    Values are binned and the label's mean by bin, taken from every other row of a sample, is judged on the rest.
    """
    import numpy as np

    labelled = np.flatnonzero(~np.isnan(target.codes))
    rows = labelled[np.linspace(0, len(labelled) - 1, min(SAMPLE, len(labelled)), dtype=np.int64)]
    label = target.codes[rows]
    found = {}
    for column in columns:
        if column.is_feature:
            values = events.data.column(column.name).take(rows)
            found[column.name] = _strength(values, column.use, label, target)
    return found


def suspects(events: Events, columns: Sequence[Column], target: Target, strength: dict[str, float]) -> dict[str, str]:
    """Features that may be known only after the event, each with what makes one think so; data cannot decide it."""
    import numpy as np

    measure = "R2" if target.task is Task.REGRESSION else "AUC"
    unlabelled = np.isnan(target.codes)
    found = {}
    for column in (column for column in columns if column.is_feature):
        value = strength[column.name]
        if value > SUSPECT[target.task]:
            found[column.name] = f"alone it comes to {measure} {value:.2f}"
        elif column.nulls and unlabelled.any():
            null = events.data.column(column.name).is_null().to_numpy()
            if null[unlabelled].mean() > 0.5 and null[~unlabelled].mean() < 0.05:
                found[column.name] = "it is null mostly where the label is"
    return found


def _strength(values: pa.ChunkedArray, use: Use, label: Any, target: Target) -> float:
    import numpy as np

    bins = _bins(values, use)
    fit, judge = np.arange(len(label)) % 2 == 0, np.arange(len(label)) % 2 == 1
    if target.task is Task.REGRESSION:
        binned = _r2(label[judge], _means(bins, label, fit)[judge])
        return max(binned, _linear(values, label) if use is Use.NUMBER else 0.0)
    classes = range(len(target.classes)) if target.classes else [1]
    areas = []
    for place in classes:
        hit = (label == place).astype(np.float64)
        areas.append(_auc(hit[judge], _means(bins, hit, fit)[judge]))
    known = [area for area in areas if area is not None]
    return sum(known) / len(known) if known else 0.5


def _bins(values: pa.ChunkedArray, use: Use) -> Any:
    """A whole number per row; nulls have one of their own."""
    import numpy as np
    import pyarrow as pa

    if use in (Use.NUMBER, Use.SINCE, Use.MOMENT):
        if pa.types.is_timestamp(values.type) or pa.types.is_date(values.type):
            values = values.cast(pa.timestamp("us", getattr(values.type, "tz", None))).cast(pa.int64())
        numbers = np.asarray(values.cast(pa.float64(), safe=False).to_numpy(), dtype=np.float64)
        known = numbers[~np.isnan(numbers)]
        edges = np.unique(known) if len(np.unique(known)) <= _BINS else np.quantile(known, np.linspace(0, 1, _BINS))
        return np.where(np.isnan(numbers), 0, 1 + np.searchsorted(np.unique(edges), numbers))
    return np.unique(
        np.asarray(values.fill_null("") if pa.types.is_string(values.type) else values.to_numpy(), str),
        return_inverse=True,
    )[1]


def _means(bins: Any, label: Any, fit: Any) -> Any:
    """The mean label of each row's bin over the rows to fit on, drawn a little towards the mean of all."""
    import numpy as np

    size, overall = int(bins.max()) + 1, float(label[fit].mean()) if fit.any() else 0.0
    sums = np.bincount(bins[fit], weights=label[fit], minlength=size) + overall * _PRIOR_ROWS
    return (sums / (np.bincount(bins[fit], minlength=size) + _PRIOR_ROWS))[bins]


def _auc(hit: Any, score: Any) -> float | None:
    from pipelines.evaluation.ranking import Ranking

    return Ranking.of(hit, score).auc()


def _r2(label: Any, score: Any) -> float:
    import numpy as np

    spread = float(np.sum((label - label.mean()) ** 2)) if len(label) else 0.0
    return 1 - float(np.sum((label - score) ** 2)) / spread if spread else 0.0


def _linear(values: pa.ChunkedArray, label: Any) -> float:
    """R2 of a straight line: a copy in another unit shows here even where its tails are long."""
    import numpy as np
    import pyarrow as pa

    numbers = np.asarray(values.cast(pa.float64(), safe=False).to_numpy(), dtype=np.float64)
    known = ~np.isnan(numbers)
    if known.mean() < 0.5 or np.ptp(numbers[known]) == 0 or np.ptp(label[known]) == 0:
        return 0.0
    return float(np.corrcoef(numbers[known], label[known])[0, 1] ** 2)

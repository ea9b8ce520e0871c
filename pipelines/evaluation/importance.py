"""How much each feature moves the scores: the mean absolute SHAP value over a sample of test rows."""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence
from typing import TYPE_CHECKING, Any

from pipelines.evaluation.metrics import rounded

if TYPE_CHECKING:
    import pyarrow as pa
    from numpy.typing import NDArray


def importance(
    names: Sequence[str], contributions: Callable[[pa.RecordBatch], NDArray[Any]], sample: pa.Table
) -> dict[str, Any]:
    """Features with their mean |SHAP| (log odds, or the label's unit), largest first, and their share of the whole.

    Both are None, and the feature stands last, where some contribution is no number.
    `contributions` gives (rows, features + 1) or (rows, classes, features + 1); of several classes the mean is taken.
    """
    import numpy as np

    total, rows = np.zeros(len(names)), 0
    for batch in sample.to_batches():
        values = np.abs(contributions(batch)[..., :-1].astype(np.float64))
        total += values.reshape(-1, len(names)).sum(axis=0) / (values.shape[1] if values.ndim == 3 else 1)
        rows += batch.num_rows
    mean = total / max(1, rows)
    known = np.isfinite(mean)
    whole = float(mean[known].sum()) or 1.0
    # A model that is broken somewhere has a feature whose contributions are no numbers: last, without a number.
    ranked = sorted(zip(names, np.where(known, mean, np.nan), strict=True), key=_largest_first)
    return {
        "rows": rows,
        "features": [
            {"feature": name, "importance": rounded(float(value)), "share": rounded(float(value) / whole)}
            for name, value in ranked
        ],
    }


def _largest_first(pair: tuple[str, float]) -> tuple[bool, float, str]:
    name, value = pair
    return (False, -value, name) if math.isfinite(value) else (True, 0.0, name)

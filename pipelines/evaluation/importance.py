"""How much each feature moves the scores: the mean absolute SHAP value over a sample of test rows."""

from __future__ import annotations

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

    `contributions` gives (rows, features + 1) or (rows, classes, features + 1); of several classes the mean is taken.
    """
    import numpy as np

    total, rows = np.zeros(len(names)), 0
    for batch in sample.to_batches():
        values = np.abs(contributions(batch)[..., :-1].astype(np.float64))
        total += values.reshape(-1, len(names)).sum(axis=0) / (values.shape[1] if values.ndim == 3 else 1)
        rows += batch.num_rows
    mean = total / max(1, rows)
    whole = float(mean.sum()) or 1.0
    ranked = sorted(zip(names, mean, strict=True), key=lambda pair: (-pair[1], pair[0]))
    return {
        "rows": rows,
        "features": [
            {"feature": name, "importance": rounded(float(value)), "share": rounded(float(value) / whole)}
            for name, value in ranked
        ],
    }

"""What a booster says before the link: the log odds (of each class), or the value itself."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from pipelines.engines.columns import Columns
from pipelines.storage.model_file import Signature

if TYPE_CHECKING:
    import pyarrow as pa
    from numpy.typing import NDArray
    from xgboost import Booster


def margins(booster: Booster, signature: Signature, batch: pa.RecordBatch) -> NDArray[Any]:
    """The margins of `batch`, float32: (rows,), or (rows, classes). SHAP values of a row and its bias add up to it."""
    import numpy as np

    block = Columns.of(signature).block(batch)
    return np.asarray(booster.inplace_predict(block, predict_type="margin"), np.float32)

"""The example of a signature: rows whose scores training wrote down, for whoever loads the stored bytes to repeat."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from pipelines.engines.columns import Columns
from pipelines.engines.matrix import predict
from pipelines.storage.model_file import NULL_NUMBER, Example, Feature, Signature

if TYPE_CHECKING:
    import pyarrow as pa
    from numpy.typing import NDArray
    from xgboost import Booster

ROWS = 8


def make(booster: Booster, signature: Signature, batch: pa.RecordBatch) -> Example:
    """The example of the rows in `batch`, which holds the features, and what `booster` says of them."""
    columns = Columns.of(signature)
    block = columns.block(batch)
    rows = tuple(
        tuple(_value(item, float(value), signature) for item, value in zip(columns.features, row, strict=True))
        for row in block
    )
    return Example(rows=rows, scores=_plain(predict(booster, signature, [batch])))


def repeat(booster: Booster, signature: Signature) -> int | None:
    """How many rows of the signature's example `booster` scores otherwise than was written down; None without one."""
    import numpy as np

    example = signature.example
    if example is None or not example.rows:
        return None
    found = predict(booster, signature, [_batch(example, signature)])
    differing = np.asarray(example.scores, np.float32) != found
    return int(differing.reshape(len(found), -1).any(axis=1).sum())


def table(signature: Signature) -> pa.Table:
    """The rows of the signature's example; one without a single value where it holds none."""
    import pyarrow as pa

    said = signature.example
    nothing = Example(rows=(tuple(None for _ in signature.features),), scores=(0.0,))
    return pa.Table.from_batches([_batch(said if said and said.rows else nothing, signature)])


def _batch(example: Example, signature: Signature) -> pa.RecordBatch:
    import pyarrow as pa

    arrays = {}
    for place, item in enumerate(signature.features):
        kind = pa.string() if item.kind == "category" else pa.float32()
        arrays[item.name] = pa.array([row[place] for row in example.rows], kind)
    return pa.RecordBatch.from_pydict(arrays)


def _value(item: Feature, value: float, signature: Signature) -> float | str | None:
    import numpy as np

    if item.kind == "category":
        return signature.vocabularies[item.name][int(value)] if value else None
    return None if value == np.float32(NULL_NUMBER) else value


def _plain(scores: NDArray[Any]) -> tuple[Any, ...]:
    return tuple(tuple(row) if isinstance(row, list) else row for row in scores.tolist())

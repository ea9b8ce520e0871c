"""Rows as whoever asks a model may send them at worst: nulls, categories nobody has seen, numbers at the edges."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from pipelines.published.build import mlflow_type
from pipelines.storage.model_file import NULL_NUMBER, UNKNOWN, Feature, Signature

if TYPE_CHECKING:
    import pyarrow as pa

# Of the spoilt rows, in each column: one in five has an edge, one in five is null where it may be.
_EVERY = 5
_SEED = 2013
UNSEEN = ("", " ", UNKNOWN, "never seen before", "null", "None", "nan", "0", "Ünïcode 北京", "a" * 300)
# The largest and the smallest float32, beside what does not fit one without rounding, and the number that nulls become.
NUMBERS = (0.0, -0.0, 3.4028234663852886e38, -3.4028234663852886e38, 1e-45, NULL_NUMBER, 0.1, 16777217.0, -1e-300)
INTEGERS = (0, -1, 2**24 + 1, -(2**31), 2**31 - 1, 2**53 + 1, -(2**62), 2**62 + 1)


def hard(table: pa.Table, signature: Signature, count: int) -> pa.Table:
    """`count` rows: `table`, which holds the features, as often as it takes, the second half of them spoilt.

    Its columns are of the types that MLflow is told of: text, int64 or float64. The same rows give the same rows again.
    """
    import numpy as np
    import pyarrow as pa

    whole = table.take(pa.array(np.arange(count) % max(1, len(table)))) if len(table) else table
    drawn = np.random.default_rng(_SEED)
    return pa.table({item.name: _column(whole[item.name], item, drawn) for item in signature.features})


def _column(column: pa.ChunkedArray, item: Feature, drawn: Any) -> pa.Array:
    import numpy as np
    import pyarrow as pa
    import pyarrow.compute as pc

    said = mlflow_type(item)
    kind = {"string": pa.string(), "long": pa.int64(), "double": pa.float64()}[said]
    plain = column.cast(kind, safe=False).combine_chunks()
    edges = pa.array(map(float, _edges(item)) if said == "double" else _edges(item), kind)
    draws, picks = drawn.integers(0, _EVERY, len(plain)), drawn.integers(0, len(edges), len(plain))
    spoilt = np.arange(len(plain)) >= len(plain) // 2
    found = pc.if_else(pa.array(spoilt & (draws == 0)), edges.take(pa.array(picks)), plain)
    return found if said == "long" else pc.if_else(pa.array(spoilt & (draws == 1)), pa.scalar(None, kind), found)


def _edges(item: Feature) -> tuple[Any, ...]:
    if item.kind == "category":
        return UNSEEN
    return {"boolean": (0, 1), "integer": INTEGERS}.get(item.type or "", NUMBERS)

"""What a profile says of a column of numbers, and how two such sayings merge."""

from __future__ import annotations

import math
from typing import TYPE_CHECKING, Any

from pipelines.drift.bins import count, count_distinct
from pipelines.drift.grid import Edges, grid_id

if TYPE_CHECKING:
    import pyarrow as pa
    from numpy.typing import NDArray

# Whole numbers that span at most this are counted one by one, which is quicker than all else.
_SPAN = 1 << 16


def numbers(column: pa.ChunkedArray, edges: Edges | None, *, whole: bool) -> dict[str, Any]:
    """`finite`, `min`, `max`, `sum`, `mean`, `m2` and, with `edges`, `hist` and `grid`; `whole`: integers or booleans.

    Nulls and what is not finite is left out; sum, mean and m2 are None where too large for a double.
    """
    import numpy as np
    import pyarrow as pa

    if pa.types.is_boolean(column.type):
        column = column.cast(pa.int8())
    values = column.drop_null().cast(pa.int64() if whole else pa.float64(), safe=False).to_numpy()
    if not whole and not np.isfinite(values).all():
        values = values[np.isfinite(values)]
    if not len(values):
        found, hist = _NOTHING, None if edges is None else np.zeros(edges.size, np.int64)
    elif whole and int(values.max()) - int(values.min()) < _SPAN:
        found, hist = _counted(values, edges)
    else:
        found, hist = _summed(values), None if edges is None else count(values, edges)
    return {**found, **({} if edges is None or hist is None else {"hist": hist.tolist(), "grid": grid_id(edges)})}


def merge_numbers(a: dict[str, Any], b: dict[str, Any]) -> dict[str, Any]:
    """`finite`, `sum`, `mean` and `m2` of the values of both."""
    if not a["finite"] or not b["finite"]:
        some = a if a["finite"] else b
        return {key: some[key] for key in ("finite", "sum", "mean", "m2")}
    rows = a["finite"] + b["finite"]
    total = None if None in (a["sum"], b["sum"]) else a["sum"] + b["sum"]
    mean = None if total is None else _kept(total / rows)
    if None in (mean, a["m2"], b["m2"]):
        return {"finite": rows, "sum": total, "mean": mean, "m2": None}
    between = (b["mean"] - a["mean"]) ** 2 * a["finite"] * b["finite"] / rows
    return {"finite": rows, "sum": total, "mean": mean, "m2": _kept(a["m2"] + b["m2"] + between)}


_NOTHING = {"finite": 0, "min": None, "max": None, "sum": 0, "mean": None, "m2": None}


def _summed(values: NDArray[Any]) -> dict[str, Any]:
    import numpy as np

    with np.errstate(over="ignore", invalid="ignore"):
        total = _exact_sum(values) if values.dtype.kind == "i" else _kept(values.sum())
        mean = None if total is None else _kept(total / len(values))
        m2 = None if mean is None else _kept(np.square(values - mean).sum())
    ends = {"min": values.min().item(), "max": values.max().item()}
    return {"finite": len(values), **ends, "sum": total, "mean": mean, "m2": m2}


def _counted(values: NDArray[Any], edges: Edges | None) -> tuple[dict[str, Any], NDArray[Any] | None]:
    import numpy as np

    low = int(values.min())
    counts = np.bincount(values - low)
    there = np.flatnonzero(counts)
    counts, rows = counts[there], len(values)
    above = int((there * counts).sum())  # below 2**63 for fewer than 2**47 rows
    total = low * rows + above
    found = {
        "finite": rows,
        "min": low,
        "max": low + int(there[-1]),
        "sum": total,
        "mean": total / rows,
        "m2": float((np.square(there - above / rows) * counts).sum()),
    }
    return found, None if edges is None else count_distinct(there + low, counts, edges)


def _exact_sum(values: Any) -> int:
    # Halves of 32 bits: the sum of many large int64 does not fit into one.
    return (int((values >> 32).sum()) << 32) + int((values & 0xFFFFFFFF).sum())


def _kept(value: float) -> float | None:
    return float(value) if math.isfinite(value) else None

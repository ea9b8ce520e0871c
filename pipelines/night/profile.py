"""A partition's profile: small statistics that merge, so that history is never read again.

Counts, and sums of whole numbers, merge exactly; sums of other numbers and squared distances from the mean merge within
rounding (the pairwise formula of Chan, Golub and LeVeque).
"""

from __future__ import annotations

import math
from collections import Counter
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    import pyarrow as pa

FORMAT = 1
TOP = 128
TEXT_LIMIT = 100
Profile = dict[str, Any]


def profile(table: pa.Table) -> Profile:
    """The profile of `table`, as JSON.

    Every column has `kind`, `count` and `nulls`. Numbers (booleans are 0 and 1) add `finite`, `min`, `max`, `sum`,
    `mean`, `m2` (squared distances from the mean) over the finite values, None where too large for a double; times add
    `min` and `max` in UTC microseconds; text adds `top`, the counts of its most frequent values, `other`, the count of
    all the rest, and `distinct`, exact while `other` is 0 and a lower bound after.
    """
    columns = {name: _column(column) for name, column in zip(table.column_names, table.columns, strict=True)}
    return {"format": FORMAT, "rows": table.num_rows, "columns": columns}


def merge(first: Profile, second: Profile) -> Profile:
    """The profile of the rows of both; of a column that only one of them has, what that one knows."""
    a, b = first["columns"], second["columns"]
    columns = {
        name: _merge(a[name], b[name]) if name in a and name in b else a.get(name) or b[name] for name in {**a, **b}
    }
    return {"format": FORMAT, "rows": first["rows"] + second["rows"], "columns": columns}


def variance(column: Profile) -> float | None:
    """The population variance of a number column's finite values; None when there is none to tell."""
    if not column.get("finite") or column["m2"] is None:
        return None
    return float(column["m2"] / column["finite"])


def _column(column: pa.ChunkedArray) -> Profile:
    import pyarrow as pa

    kind, is_a = column.type, pa.types
    base = {"count": len(column), "nulls": column.null_count}
    if is_a.is_string(kind) or is_a.is_large_string(kind) or is_a.is_dictionary(kind):
        return {"kind": "text", **base, **_text(column)}
    if is_a.is_floating(kind) or is_a.is_decimal(kind) or is_a.is_uint64(kind):
        return {"kind": "number", **base, **_numbers(column.cast(pa.float64(), safe=False))}
    if is_a.is_integer(kind) or is_a.is_boolean(kind):
        return {"kind": "number", **base, **_numbers(column.cast(pa.int64()))}
    if is_a.is_timestamp(kind) or is_a.is_date(kind):
        return {"kind": "time", **base, **_times(column)}
    return {"kind": "other", **base}


def _numbers(column: pa.ChunkedArray) -> Profile:
    import numpy as np

    values = column.drop_null().to_numpy()
    values = values[np.isfinite(values)]
    if not len(values):
        return {"finite": 0, "min": None, "max": None, "sum": 0, "mean": None, "m2": None}
    with np.errstate(over="ignore", invalid="ignore"):
        total = _exact_sum(values) if values.dtype.kind == "i" else _kept(values.sum())
        mean = None if total is None else _kept(total / len(values))
        m2 = None if mean is None else _kept(np.square(values - mean).sum())
    return {
        "finite": len(values),
        "min": values.min().item(),
        "max": values.max().item(),
        "sum": total,
        "mean": mean,
        "m2": m2,
    }


def _exact_sum(values: Any) -> int:
    # Halves of 32 bits: the sum of many large int64 does not fit into one.
    return (int((values >> 32).sum()) << 32) + int((values & 0xFFFFFFFF).sum())


def _kept(value: float) -> float | None:
    return float(value) if math.isfinite(value) else None


def _times(column: pa.ChunkedArray) -> Profile:
    import pyarrow as pa
    import pyarrow.compute as pc

    micros = column.cast(pa.timestamp("us", tz=getattr(column.type, "tz", None)), safe=False).cast(pa.int64())
    ends = pc.min_max(micros)
    return {"min": ends["min"].as_py(), "max": ends["max"].as_py()}


def _text(column: pa.ChunkedArray) -> Profile:
    import numpy as np
    import pyarrow as pa

    if pa.types.is_dictionary(column.type):
        column = column.cast(column.type.value_type)
    found = column.drop_null().combine_chunks().value_counts()
    counts = found.field("counts").to_numpy()
    rows, distinct = int(counts.sum()), len(counts)
    if distinct > TOP:
        # A column of keys has no most frequent values, and ties at the border are settled by the alphabet.
        border = int(np.partition(counts, -TOP)[-TOP])
        found = found.filter(pa.array(counts >= max(border, 2)))
    top: Counter[str] = Counter()
    for value, count in zip(found.field("values").to_pylist(), found.field("counts").to_pylist(), strict=True):
        top[str(value)[:TEXT_LIMIT]] += count
    return _ranked(top, rows, distinct)


def _ranked(top: Counter[str], rows: int, distinct: int) -> Profile:
    kept = dict(sorted(top.items(), key=lambda item: (-item[1], item[0]))[:TOP])
    return {"top": kept, "other": rows - sum(kept.values()), "distinct": distinct}


def _merge(a: Profile, b: Profile) -> Profile:
    base = {"kind": a["kind"], "count": a["count"] + b["count"], "nulls": a["nulls"] + b["nulls"]}
    if a["kind"] != b["kind"]:
        return {**base, "kind": "other"}
    if a["kind"] == "text":
        top: Counter[str] = Counter(a["top"]) + Counter(b["top"])
        distinct = max(len(top), a["distinct"], b["distinct"])
        return {**base, **_ranked(top, top.total() + a["other"] + b["other"], distinct)}
    ends = {"min": _extreme(min, a, b, "min"), "max": _extreme(max, a, b, "max")} if "min" in a else {}
    return {**base, **ends, **(_merge_numbers(a, b) if a["kind"] == "number" else {})}


def _merge_numbers(a: Profile, b: Profile) -> Profile:
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


def _extreme(pick: Any, a: Profile, b: Profile, key: str) -> Any:
    there = [side[key] for side in (a, b) if side[key] is not None]
    return pick(there) if there else None

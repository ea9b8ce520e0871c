"""A table's profile: small statistics that merge, so that history is never read again.

Counts, histograms, and sums of whole numbers merge exactly; sums of other numbers and squared distances from the mean
within rounding (the pairwise formula of Chan, Golub and LeVeque).
"""

from __future__ import annotations

import math
from collections import Counter
from collections.abc import Iterable
from functools import reduce
from typing import TYPE_CHECKING, Any

from pipelines.drift.grid import TEXT_LIMIT, TOP, Bins, Categories, Edges, Grid, counted, grid_id, kind_of
from pipelines.drift.numbers import merge_numbers, numbers

if TYPE_CHECKING:
    import pyarrow as pa

FORMAT = 2  # 1 knew no `hist`
Profile = dict[str, Any]


def profile(table: pa.Table, grid: Grid | None = None) -> Profile:
    """The profile of `table`, as JSON.

    Every column has `kind`, `count` and `nulls`. Numbers (booleans are 0 and 1) add `finite`, `min`, `max`, `sum`,
    `mean`, `m2` (squared distances from the mean) over the finite values, None where too large for a double; times add
    `min` and `max` in UTC microseconds; text adds `top`, the counts of its most frequent values, `other`, the count of
    all the rest, and `distinct`, exact while `other` is 0 and a lower bound after.

    Of a column whose bins `grid` holds, `hist` counts the finite values (for text: the values) by them, and `grid` is
    the id of the bins.
    """
    known = grid.columns if grid else {}
    pairs = zip(table.column_names, table.columns, strict=True)
    columns = {name: _column(column, known.get(name)) for name, column in pairs}
    return {"format": FORMAT, "rows": table.num_rows, "columns": columns}


def merge(first: Profile, second: Profile) -> Profile:
    """The profile of the rows of both; of a column that only one of them has, what that one knows.

    `hist` stays where both sides counted by the same bins.
    """
    a, b = first["columns"], second["columns"]
    columns = {
        name: _merge(a[name], b[name]) if name in a and name in b else a.get(name) or b[name] for name in {**a, **b}
    }
    return {"format": FORMAT, "rows": first["rows"] + second["rows"], "columns": columns}


def merge_all(profiles: Iterable[Profile]) -> Profile:
    """The profile of the rows of all; of none of them, that of no rows."""
    return reduce(merge, profiles, {"format": FORMAT, "rows": 0, "columns": {}})


def variance(column: Profile) -> float | None:
    """The population variance of a number column's finite values; None when there is none to tell."""
    if not column.get("finite") or column["m2"] is None:
        return None
    return float(column["m2"] / column["finite"])


def quantile(column: Profile, q: float, bins: Edges) -> float | None:
    """About the `q` quantile (0 to 1) of a number column that was counted by `bins`; None without finite values.

    It lies in the bin that holds the true one (the smallest value that at least a share `q` does not exceed), so the
    two differ by less than that bin's width: with bins of `make_grid`, between neighbours of at most 1/64 of the first
    rows' values.
    """
    finite = column.get("finite")
    if not finite or column.get("grid") != grid_id(bins):
        return None
    wanted, below = max(1, math.ceil(q * finite)), 0
    place, own = 0, 0
    for place, own in enumerate(column["hist"]):  # noqa: B007 - the bin where it ends is what is looked for
        if below + own >= wanted:
            break
        below += own
    low = max(column["min"], bins.values[place - 1]) if place else column["min"]
    high = min(column["max"], bins.values[place]) if place < len(bins.values) else column["max"]
    return float(min(high, low + (high - low) * ((wanted - below) / own)))


def _column(column: pa.ChunkedArray, bins: Bins | None) -> Profile:
    import pyarrow as pa

    kind = kind_of(column.type)
    base: Profile = {"kind": kind, "count": len(column), "nulls": column.null_count}
    if kind == "text":
        return {**base, **_text(column, bins if isinstance(bins, Categories) else None)}
    if kind == "number":
        exact = pa.types.is_integer(column.type) or pa.types.is_boolean(column.type)
        whole = exact and not pa.types.is_uint64(column.type)
        return {**base, **numbers(column, bins if isinstance(bins, Edges) else None, whole=whole)}
    if kind == "time":
        return {**base, **_times(column)}
    return base


def _times(column: pa.ChunkedArray) -> Profile:
    import pyarrow as pa
    import pyarrow.compute as pc

    micros = column.cast(pa.timestamp("us", tz=getattr(column.type, "tz", None)), safe=False).cast(pa.int64())
    ends = pc.min_max(micros)
    return {"min": ends["min"].as_py(), "max": ends["max"].as_py()}


def _text(column: pa.ChunkedArray, bins: Categories | None) -> Profile:
    import numpy as np
    import pyarrow as pa

    found = counted(column)
    counts = found.field("counts").to_numpy()
    rows, distinct = int(counts.sum()), len(counts)
    hist = {"hist": _by_category(found, rows, bins), "grid": grid_id(bins)} if bins else {}
    if distinct > TOP:
        # A column of keys has no most frequent values, and ties at the border are settled by the alphabet.
        border = int(np.partition(counts, -TOP)[-TOP])
        found = found.filter(pa.array(counts >= max(border, 2)))
    top: Counter[str] = Counter()
    for value, count in zip(found.field("values").to_pylist(), found.field("counts").to_pylist(), strict=True):
        top[str(value)[:TEXT_LIMIT]] += count
    return {**_ranked(top, rows, distinct), **hist}


def _by_category(found: pa.StructArray, rows: int, bins: Categories) -> list[int]:
    import pyarrow as pa
    import pyarrow.compute as pc

    values = found.field("values")
    if not pa.types.is_string(values.type):
        values = values.cast(pa.string())
    place = pc.index_in(pc.utf8_slice_codeunits(values, 0, TEXT_LIMIT), value_set=pa.array(bins.values, pa.string()))
    hist = [0] * bins.size
    for where, count in zip(place.to_pylist(), found.field("counts").to_pylist(), strict=True):
        if where is not None:
            hist[where] += count
    hist[-1] = rows - sum(hist)
    return hist


def _ranked(top: Counter[str], rows: int, distinct: int) -> Profile:
    kept = dict(sorted(top.items(), key=lambda item: (-item[1], item[0]))[:TOP])
    return {"top": kept, "other": rows - sum(kept.values()), "distinct": distinct}


def _merge(a: Profile, b: Profile) -> Profile:
    base = {"kind": a["kind"], "count": a["count"] + b["count"], "nulls": a["nulls"] + b["nulls"]}
    if a["kind"] != b["kind"]:
        return {**base, "kind": "other"}
    if "grid" in a and a.get("grid") == b.get("grid"):
        base |= {"hist": [x + y for x, y in zip(a["hist"], b["hist"], strict=True)], "grid": a["grid"]}
    if a["kind"] == "text":
        top: Counter[str] = Counter(a["top"]) + Counter(b["top"])
        distinct = max(len(top), a["distinct"], b["distinct"])
        return {**base, **_ranked(top, top.total() + a["other"] + b["other"], distinct)}
    ends = {"min": _extreme(min, a, b, "min"), "max": _extreme(max, a, b, "max")} if "min" in a else {}
    return {**base, **ends, **(merge_numbers(a, b) if a["kind"] == "number" else {})}


def _extreme(pick: Any, a: Profile, b: Profile, key: str) -> Any:
    there = [side[key] for side in (a, b) if side[key] is not None]
    return pick(there) if there else None

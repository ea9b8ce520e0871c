"""The columns of an author's file in the types that partitions are kept in, and what is not taken over."""

from __future__ import annotations

import re
from collections.abc import Sequence
from typing import TYPE_CHECKING

from pipelines.authoring.words import looks_like_id
from pipelines.engines import kinds
from pipelines.errors import DataError, shorten

if TYPE_CHECKING:
    import pyarrow as pa

# The rows' numbers as pandas writes them, where its index has no name.
_PANDAS_INDEX = re.compile(r"__index_level_\d+__\Z")


def plain(data: pa.Table, asked: Sequence[str], notes: list[str]) -> pa.Table:
    """`data` in the types that every engine reads alike: NaN becomes null, columns without a type go.

    Args:
        data: the file's rows.
        asked: the columns that the author named: they are never left out.
        notes: takes what was changed, in words.
    """
    import pyarrow as pa

    columns: dict[str, pa.ChunkedArray] = {}
    for name, column in zip(data.column_names, data.columns, strict=True):
        why = "" if name in asked else _left_out(name, column)
        if why:
            notes.append(f"column {shorten(name, 40)} {why} and is not taken over")
        else:
            columns[name] = _kept(name, column, notes)
    return pa.table(columns)


def _left_out(name: str, column: pa.ChunkedArray) -> str:
    import pyarrow as pa

    if _PANDAS_INDEX.match(name):
        return "is the index that pandas wrote"
    return "holds nothing but nulls" if pa.types.is_null(column.type) else ""


def _kept(name: str, column: pa.ChunkedArray, notes: list[str]) -> pa.ChunkedArray:
    import pyarrow as pa

    if pa.types.is_decimal(column.type):
        return _from_decimal(name, column, notes)
    if pa.types.is_floating(column.type):
        return _whole(_without_nan(column.cast(pa.float64()), name, notes), name, notes)
    kind = kinds.wide(column.type)
    column = column if kind is None else _fit(name, column, kind)
    if pa.types.is_uint64(column.type):
        return _fitting(column, pa.int64()) or column
    return column


def _fit(name: str, column: pa.ChunkedArray, kind: pa.DataType) -> pa.ChunkedArray:
    try:
        return kinds.fit(column, kind)
    except kinds.MisfitError as error:
        raise DataError(
            f"column {shorten(name)}: {error.sentence}", where="--from", remedy="mend these values, or leave it out"
        ) from None


def _fitting(column: pa.ChunkedArray, kind: pa.DataType) -> pa.ChunkedArray | None:
    try:
        return kinds.fit(column, kind)
    except kinds.MisfitError:
        return None


def _from_decimal(name: str, column: pa.ChunkedArray, notes: list[str]) -> pa.ChunkedArray:
    """Whole numbers where the column has no places for others, else doubles; where digits would go they stay."""
    import pyarrow as pa

    whole = column.type.scale <= 0
    for kind in (pa.int64() if whole else pa.float64(), pa.decimal128(38, max(column.type.scale, 0))):
        kept = _fitting(column, kind)
        if kept is not None:
            said = "decimals" if pa.types.is_decimal(kind) else "whole numbers" if whole else "floating point"
            if not pa.types.is_decimal(kind):
                notes.append(f"{shorten(name, 40)}: {column.type} is kept as {said}")
            return kept
    raise DataError(
        f"column {shorten(name)}: {column.type} has more digits than can be kept",
        where="--from",
        remedy="round it, store it as text, or leave it out",
    )


def _without_nan(column: pa.ChunkedArray, name: str, notes: list[str]) -> pa.ChunkedArray:
    import pyarrow as pa
    import pyarrow.compute as pc

    infinite = pc.sum(pc.is_inf(column)).as_py() or 0
    if infinite:
        raise DataError(
            f"column {shorten(name)}: {infinite} of {len(column)} values are infinite",
            where="--from",
            remedy="make them null: every partition with one would be quarantined",
        )
    nan = pc.sum(pc.is_nan(column)).as_py() or 0
    if not nan:
        return column
    notes.append(f"{shorten(name, 40)}: {nan:,} NaN are null in the lake")
    return pc.if_else(pc.is_nan(column), pa.scalar(None, column.type), column)


def _whole(column: pa.ChunkedArray, name: str, notes: list[str]) -> pa.ChunkedArray:
    """Numbers that name something, as whole numbers again: pandas makes floats of them where one is missing."""
    import pyarrow as pa

    if not looks_like_id(name) or column.null_count == len(column):
        return column
    whole = _fitting(column, pa.int64())
    if whole is None:
        return column
    notes.append(f"{shorten(name, 40)}: floating point numbers are kept as the whole numbers they are")
    return whole

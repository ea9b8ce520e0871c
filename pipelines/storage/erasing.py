"""Takes rows out of parquet files: the same file without the same rows has the same bytes, whoever writes it."""

from __future__ import annotations

from collections.abc import Callable, Collection, Mapping
from datetime import date, datetime
from pathlib import Path
from typing import TYPE_CHECKING, Any

from pipelines.storage.parquet import write_table

if TYPE_CHECKING:
    import pyarrow as pa

Hashes = Mapping[tuple[str, ...], Collection[str]]
Digest = Callable[[tuple[str, ...], tuple[str, ...]], str]


def plain(value: Any) -> str:
    """A key's value as text, as a person writes it: numbers in digits, days and times in ISO form."""
    return value.isoformat() if isinstance(value, date | datetime) else str(value)


def held(table: pa.Table, hashes: Hashes, digest: Digest) -> pa.Array | None:
    """Which rows (n,) have values whose hash is among `hashes` of their columns; None: not one.

    Columns that the table lacks, and nulls, match nothing.
    """
    import pyarrow as pa
    import pyarrow.compute as pc

    mask: pa.Array | None = None
    for columns, wanted in hashes.items():
        if not set(columns) <= set(table.column_names):
            continue
        kinds = table.select(list(columns)).group_by(list(columns)).aggregate([]).to_pylist()
        for kind in kinds:
            values = tuple(kind[name] for name in columns)
            if None in values or digest(columns, tuple(map(plain, values))) not in wanted:
                continue
            found = _equal(table, dict(zip(columns, values, strict=True)))
            mask = found if mask is None else pc.or_(mask, found)
    return None if mask is None else pa.array(mask.to_pylist() if isinstance(mask, pa.ChunkedArray) else mask)


def rows_like(table: pa.Table, keys: pa.Table) -> pa.Array | None:
    """Which rows (n,) have the same values as a row of `keys`, in all of its columns; None: not one."""
    import pyarrow as pa

    names = keys.column_names
    if not set(names) <= set(table.column_names) or not keys.num_rows:
        return None
    wanted = {tuple(plain(value) for value in row.values()) for row in keys.to_pylist()}
    found = [tuple(plain(value) for value in row.values()) in wanted for row in table.select(names).to_pylist()]
    return pa.array(found) if any(found) else None


def write_without(path: Path, table: pa.Table, gone: pa.Array) -> pa.Table:
    """Put `table` without the rows that are `gone` at `path`; what was put."""
    import pyarrow.compute as pc

    left = table.filter(pc.invert(gone)).combine_chunks()
    write_table(path, left, durable=False)
    return left


def _equal(table: pa.Table, values: Mapping[str, Any]) -> Any:
    import pyarrow as pa
    import pyarrow.compute as pc

    found: Any = None
    for name, value in values.items():
        column = table[name]
        same = pc.fill_null(pc.equal(column, pa.scalar(value, column.type)), False)
        found = same if found is None else pc.and_(found, same)
    return found

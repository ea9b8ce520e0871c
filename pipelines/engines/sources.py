"""The files behind the tables, and the numbers that give all rows of a model their total order."""

from __future__ import annotations

import string
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from datetime import date
from pathlib import Path
from typing import Any

from pipelines.config.names import STATIC

DAY_ROWS = 10**8
EPOCH = date(1970, 1, 1)
# DuckDB has virtual columns of these names, which the framework numbers rows by.
ENGINE_NAMES = frozenset({"file_index", "file_row_number"})
_SMALL = str.maketrans(string.ascii_uppercase, string.ascii_lowercase)


@dataclass(frozen=True)
class SourceFile:
    """One partition's file. `day` is None for a static table."""

    table: str
    day: date | None
    path: Path
    rows: int


def source_files(root: Path, partitions: Iterable[Mapping[str, Any]]) -> list[SourceFile]:
    """The files below `root` of the partitions listed in `accepted.json`, in order of table and day."""
    files = [
        SourceFile(
            table=str(item["table"]),
            day=None if item["partition"] == STATIC else date.fromisoformat(item["partition"]),
            path=root / str(item["path"]),
            rows=int(item["rows"]),
        )
        for item in partitions
    ]
    return sorted(files, key=lambda file: (file.table, file.day or EPOCH))


def first_row_id(day: date) -> int:
    """The row_id of the first row of `day`: days since 1970-01-01 times 10**8."""
    return (day - EPOCH).days * DAY_ROWS


def until_row_id(day: date) -> int:
    """The row_id that no row of `day` reaches."""
    return first_row_id(day) + DAY_ROWS


def folded(name: str) -> str:
    """`name` as DuckDB compares it with another: the letters A to Z are their small ones, and all others themselves."""
    return name.translate(_SMALL)


def quoted(name: str) -> str:
    """`name` as an SQL identifier."""
    return '"' + name.replace('"', '""') + '"'


def text(value: str) -> str:
    """`value` as an SQL string."""
    return "'" + value.replace("'", "''") + "'"


def raw_view(table: str) -> str:
    """The view of `table` with all its columns, which only the framework reads; no table can have that name."""
    return f"{table} with all columns"

"""Counts over the files of a window, by DuckDB: labels by day, doubled keys, columns that change their type."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from datetime import date
from itertools import groupby
from typing import TYPE_CHECKING

from pipelines.config.model import Task
from pipelines.config.params import RunParams
from pipelines.engines.labels import LARGEST_LABEL, label_sql
from pipelines.engines.mentions import EVERYTHING, Mentions
from pipelines.engines.shown import conflicting, told
from pipelines.engines.sources import SourceFile, quoted, text
from pipelines.errors import shorten
from pipelines.quality.window import DayLabels

if TYPE_CHECKING:
    import duckdb

_FILE = '"file of the row"'


def label_days(session: duckdb.DuckDBPyConnection, params: RunParams, files: Sequence[SourceFile]) -> list[DayLabels]:
    """The labels of the events in `files`, by day."""
    if not files:
        return []
    counted = _value_counts if params.task is not Task.REGRESSION else _value_range
    found = counted(session, params, files)
    return [found[str(file.path)].on(file) for file in files if file.day and str(file.path) in found]


def mean_label(session: duckdb.DuckDBPyConnection, params: RunParams, files: Sequence[SourceFile]) -> float:
    """The mean label of `files`, summed on one thread in file order: the same bytes every time."""
    if not files:
        return 0.0
    threads = int(session.sql("SELECT current_setting('threads')").fetchall()[0][0])
    session.execute("SET threads = 1")
    mean = session.sql(f"SELECT avg({label_sql(params)}) FROM {_rows_of(files)}").fetchall()[0][0]  # noqa: S608
    session.execute(f"SET threads = {threads}")
    return float(mean or 0.0)


def duplicate_keys(
    session: duckdb.DuckDBPyConnection, params: RunParams, files: Sequence[SourceFile]
) -> tuple[int, str]:
    """How many events repeat a key, and the first such key in words.

    Where the event time is part of the key, two days cannot share one (every accepted partition holds the times of its
    own day only): months are then looked at one by one, which bounds the memory.
    """
    config = params.tables[params.events]
    by_month = config.time in config.key
    months = groupby(files, key=lambda file: f"{file.day:%Y-%m}" if by_month and file.day else "all")
    repeated, example = 0, ""
    for _, group in months:
        count, first = _duplicates(session, config.key, list(group))
        repeated, example = repeated + count, example or first
    return repeated, example


def type_conflicts(files: Sequence[SourceFile], named: Mapping[str, Mentions]) -> list[str]:
    """Columns that the model names (`named`, by table) and that hold values of several kinds among `files`, in words.

    Widths of one kind are no conflict: DuckDB brings them together without loss.
    """
    found = []
    for table, group in groupby(files, key=lambda file: file.table):
        days = [file for file in group if file.day]
        mentioned = named.get(table, EVERYTHING)
        conflicts = conflicting(days, mentioned)
        found += [f"{table}.{shorten(name)}: {told(kinds)}" for name, kinds in sorted(conflicts.items())]
    return found


class _Counts:
    """What was counted in one file."""

    def __init__(self) -> None:
        self.rows = self.labelled = self.illegal = 0
        self.values: dict[float, int] = {}

    def add(self, value: float | None, rows: int, illegal: bool) -> None:
        """Count `rows` rows with one label."""
        self.rows += rows
        if value is None:
            return
        self.labelled += rows
        self.illegal += rows if illegal else 0
        self.values[value] = self.values.get(value, 0) + rows

    def on(self, file: SourceFile) -> DayLabels:
        """The counts as those of the file's day."""
        return DayLabels(file.day or date.min, self.rows, self.labelled, self.illegal, self.values)


def _value_counts(
    session: duckdb.DuckDBPyConnection, params: RunParams, files: Sequence[SourceFile]
) -> dict[str, _Counts]:
    query = (
        f"SELECT {_FILE}, {label_sql(params)} AS value, count(*) AS n FROM {_rows_of(files)} "  # noqa: S608
        "GROUP BY ALL ORDER BY ALL"
    )
    found: dict[str, _Counts] = {}
    classes = 2 if params.task is Task.BINARY else len(params.label.classes)
    for name, value, rows in session.sql(query).fetchall():
        legal = value is None or (0 <= value < classes and value == int(value))
        found.setdefault(name, _Counts()).add(value, rows, not legal)
    return found


def _value_range(
    session: duckdb.DuckDBPyConnection, params: RunParams, files: Sequence[SourceFile]
) -> dict[str, _Counts]:
    query = (
        f"SELECT {_FILE}, count(*), count(value), count(*) FILTER (NOT abs(value) <= {LARGEST_LABEL!r}), "  # noqa: S608
        "min(value), max(value) "
        f"FROM (SELECT {_FILE}, {label_sql(params)} AS value FROM {_rows_of(files)}) GROUP BY 1 ORDER BY 1"
    )
    found: dict[str, _Counts] = {}
    for name, rows, labelled, illegal, low, high in session.sql(query).fetchall():
        counts = found.setdefault(name, _Counts())
        counts.rows, counts.labelled, counts.illegal = rows, labelled, illegal
        counts.values = {value: 1 for value in (low, high) if value is not None}
    return found


def _duplicates(session: duckdb.DuckDBPyConnection, key: Sequence[str], files: Sequence[SourceFile]) -> tuple[int, str]:
    columns = ", ".join(quoted(name) for name in key)
    rows = _rows_of(files)
    # Hashes first: they take a tenth of the memory of the keys, and only where they repeat are the keys compared.
    total, kinds = session.sql(f"SELECT count(*), count(DISTINCT hash({columns})) FROM {rows}").fetchall()[0]  # noqa: S608
    if total == kinds:
        return 0, ""
    hashes = f"SELECT hash({columns}) FROM {rows} GROUP BY 1 HAVING count(*) > 1"  # noqa: S608
    query = (
        f"SELECT {columns}, count(*) AS n FROM {rows} WHERE hash({columns}) IN ({hashes}) "  # noqa: S608
        "GROUP BY ALL HAVING n > 1 ORDER BY ALL"
    )
    # As text: fetching a zoned timestamp would need pytz.
    said = ", ".join(f"CAST({quoted(name)} AS VARCHAR)" for name in key)
    doubled = session.sql(f"SELECT {said}, n, sum(n - 1) OVER () FROM ({query}) LIMIT 1").fetchall()  # noqa: S608
    if not doubled:
        return 0, ""
    *values, times, repeated = doubled[0]
    example = ", ".join(f"{name}={value}" for name, value in zip(key, values, strict=True))
    return int(repeated), f"{shorten(example, 120)} ({times} times)"


def _rows_of(files: Sequence[SourceFile]) -> str:
    return f"read_parquet({_list(files)}, union_by_name = true, filename = {text(_FILE.strip(chr(34)))})"


def _list(files: Sequence[SourceFile]) -> str:
    return "[" + ", ".join(text(str(file.path)) for file in files) + "]"

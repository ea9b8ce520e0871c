"""Whether the same event, by its key, stands among training and test days both: one order recorded on two days."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import date
from pathlib import Path
from typing import TYPE_CHECKING

from pipelines.config.params import RunParams
from pipelines.engines.sources import SourceFile, quoted, source_files, text
from pipelines.errors import DataError, PassingFault, shorten
from pipelines.storage.files import read_json

if TYPE_CHECKING:
    import duckdb

Days = tuple[date, date]
_SHOWN = 5
_DAY = '"day of the file"'


@dataclass(frozen=True)
class SharedKeys:
    """`shared` of the `rows` events of the test days have a `key` that an event of a training day has too.

    `shared` is None where nothing had to be compared: the key holds the event time. `days`: up to five pairs of the
    newest such training day and the test day, with the test day's rows, most first. No key is kept: gates stand in Git,
    from where a person's could not be erased.
    """

    key: tuple[str, ...]
    rows: int
    shared: int | None
    days: tuple[tuple[date, date, int], ...] = ()


def compared(params: RunParams) -> bool:
    """Whether keys have to be compared; where the event time is part of them, events of two days differ in it."""
    events = params.tables[params.events]
    return events.time not in events.key


def shared_keys(root: Path, params: RunParams, trained: Days) -> SharedKeys:
    """The keys of the days `trained` and of the test days, in the events partitions of `root`'s accepted.json.

    Events without a label count too. Only key columns are read; DuckDB's memory is bounded, what does not fit is spilt.

    Raises:
        DataError: a partition is not there, is damaged, or lacks a column of the key.
        PassingFault: the disk is full.
    """
    key, span = params.tables[params.events].key, params.span
    if not compared(params):
        return SharedKeys(key, 0, None)
    import duckdb

    from pipelines.engines.local import connect, explain

    listed = read_json(root / "out" / "validate" / "accepted.json")["partitions"]
    files = [file for file in source_files(root, listed) if file.table == params.events and file.day]
    train, test = (_between(files, days) for days in (trained, (span.test_start, span.test_end)))
    rows = sum(file.rows for file in test)
    if not train or not test:
        return SharedKeys(key, rows, 0)
    with connect(root / "out" / ".keys", threads=params.training.threads) as connection:
        try:
            shared, days = _compare(connection, key, train, test)
        except duckdb.Error as error:
            fault = explain(error)
            raise fault if isinstance(fault, PassingFault) else _unreadable(params.events, error) from None
    return SharedKeys(key, rows, shared, days)


def _unreadable(table: str, error: Exception) -> DataError:
    reason = shorten(" ".join(str(error).split()), 160)
    return DataError(reason, where=f"table {table}", remedy="pull its files again from the ledger")


def _between(files: Sequence[SourceFile], days: Days) -> list[SourceFile]:
    return [file for file in files if file.day and days[0] <= file.day <= days[1]]


def _compare(
    connection: duckdb.DuckDBPyConnection, key: Sequence[str], train: Sequence[SourceFile], test: Sequence[SourceFile]
) -> tuple[int, tuple[tuple[date, date, int], ...]]:
    """How many rows of `test` share a key with `train`, and on which days."""
    columns = ", ".join(quoted(name) for name in key)
    sides = {"seen": _rows_of(train), "asked": _rows_of(test)}
    hashes = {name: f"SELECT hash({columns}) AS h FROM {rows}" for name, rows in sides.items()}  # noqa: S608
    # Hashes of the fewer rows are held, those of the others pass by; only where some agree are the keys compared.
    connection.execute(
        f"CREATE TEMP TABLE both_sides AS SELECT DISTINCT h FROM ({hashes['seen']}) "  # noqa: S608
        f"SEMI JOIN ({hashes['asked']}) AS asked USING (h)"
    )
    found = connection.execute("SELECT count(*) FROM both_sides").fetchone()
    if not found or not found[0]:
        return 0, ()
    kept = {
        name: f"SELECT {columns}, {_day_of(files)} AS {_DAY} FROM {sides[name]} "  # noqa: S608
        f"WHERE hash({columns}) IN (FROM both_sides)"
        for name, files in (("seen", train), ("asked", test))
    }
    pairs = connection.execute(
        f"SELECT seen.{_DAY}, asked.{_DAY}, count(*), sum(count(*)) OVER () FROM ({kept['asked']}) AS asked "  # noqa: S608
        f"JOIN (SELECT {columns}, max({_DAY}) AS {_DAY} FROM ({kept['seen']}) GROUP BY ALL) AS seen USING ({columns}) "
        f"GROUP BY 1, 2 ORDER BY 3 DESC, 2, 1 LIMIT {_SHOWN}"
    ).fetchall()
    return int(pairs[0][3]) if pairs else 0, tuple((seen, asked, int(rows)) for seen, asked, rows, _ in pairs)


def _rows_of(files: Sequence[SourceFile]) -> str:
    paths = ", ".join(text(str(file.path)) for file in files)
    return f"read_parquet([{paths}], union_by_name = true, hive_partitioning = false)"


def _day_of(files: Sequence[SourceFile]) -> str:
    """By the file's place in the list, not its name: two days of the same bytes may be one object in the cache."""
    days = ", ".join(f"DATE '{file.day}'" for file in files)
    return f"([{days}])[CAST(file_index AS BIGINT) + 1]"

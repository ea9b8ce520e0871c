"""The feature table of a model: what `build` gives back, narrowed, checked and brought into its total order."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from datetime import date, timedelta
from functools import cached_property
from pathlib import Path
from typing import TYPE_CHECKING

from pipelines.config.params import RunParams
from pipelines.engines.authored import run_build
from pipelines.engines.checks import check_labels, check_rows
from pipelines.engines.labels import banned, label_query
from pipelines.engines.schema import features_of, narrowed
from pipelines.engines.sources import DAY_ROWS, SourceFile, first_row_id, until_row_id
from pipelines.engines.tables import author_tables
from pipelines.storage.model_file import Feature

if TYPE_CHECKING:
    import duckdb
    import ibis
    import pyarrow as pa

BATCH_ROWS = 1 << 17


@dataclass(frozen=True)
class Frame:
    """A model's features over its tables, ready to be asked for days."""

    connection: duckdb.DuckDBPyConnection
    params: RunParams
    features: tuple[Feature, ...]
    expression: ibis.Table
    days: dict[date, int]

    def table(self, first: date, last: date, *, label: bool = False) -> pa.Table:
        """The features of the days `first` to `last` as one table; columns and errors as of `months`."""
        import pyarrow as pa

        return pa.concat_tables([table for _, table in self.months(first, last, label=label)])

    def months(self, first: date, last: date, *, label: bool = False) -> Iterator[tuple[str, pa.Table]]:
        """`row_id`, `event_date`, `label` if asked for, and the features, in order of `row_id`, month by month.

        Months that have events come as (`yyyy-mm`, table), one in memory at a time. The label is a float64.

        Raises:
            DataError: rows lost or doubled, a feature infinite or known too late, or a label that the task cannot have.
        """
        with_days = [day for day in self.days if first <= day <= last]
        stream = _Stream(self.connection, self._query(first, last))
        for month in sorted({f"{day:%Y-%m}" for day in with_days}):
            days = [day for day in with_days if f"{day:%Y-%m}" == month]
            table = stream.until(until_row_id(max(days)))
            check_rows(table, sum(self.days[day] for day in days), month)
            yield month, self._finished(table, min(days), max(days), month, label)

    @cached_property
    def _sql(self) -> str:
        import ibis

        return str(ibis.to_sql(self.expression, dialect="duckdb"))

    def _query(self, first: date, last: date) -> str:
        days = f"row_id >= {first_row_id(first)} AND row_id < {until_row_id(last)}"
        return f"SELECT * FROM ({self._sql}) WHERE {days} ORDER BY row_id"  # noqa: S608

    def _finished(self, table: pa.Table, first: date, last: date, month: str, label: bool) -> pa.Table:
        """The month's table with its day and, if asked for, its label, which nothing but the framework joins."""
        import pyarrow as pa

        row_ids = table["row_id"].to_numpy()
        found = {
            "row_id": table["row_id"],
            "event_date": pa.array((row_ids // DAY_ROWS).astype("int32")).cast("date32"),
        }
        if label:
            labels = self.connection.cursor().sql(label_query(self.params, first, last)).to_arrow_table()
            check_labels(row_ids, labels, self.params.task, len(self.params.label.classes), month)
            found["label"] = labels["label"]
        return pa.table(found | {item.name: table[item.name] for item in self.features})


def open_frame(
    connection: duckdb.DuckDBPyConnection,
    params: RunParams,
    files: Sequence[SourceFile],
    features_path: Path,
    *,
    now: date | None = None,
) -> Frame:
    """The features of `features_path` over `files`, as known when the day `now` begins (default: the day after as-of).

    Raises:
        ConfigError: `features.py` raises, or what it gives back is not a feature table.
        DataError: a table has no file or cannot be read.
    """
    now = now or params.span.as_of + timedelta(days=1)
    tables = author_tables(connection, params, files, now)
    built = run_build(features_path, params, tables, now - timedelta(days=1))
    hidden = [column for table in params.tables for column in banned(params, table)]
    features = features_of(built, hidden)
    days = {file.day: file.rows for file in files if file.table == params.events and file.day and file.day <= now}
    return Frame(connection, params, features, narrowed(built, features), days)


class _Stream:
    """An ordered query's result, handed out in pieces that end at given row_ids."""

    def __init__(self, connection: duckdb.DuckDBPyConnection, query: str) -> None:
        self._reader = connection.sql(query).to_arrow_reader(BATCH_ROWS)
        self._rest: pa.RecordBatch | None = None

    def until(self, row_id: int) -> pa.Table:
        """All rows that come before `row_id`."""
        import pyarrow as pa

        pieces: list[pa.RecordBatch] = []
        for batch in self._batches():
            end = int(batch["row_id"].to_numpy().searchsorted(row_id))
            pieces.append(batch.slice(0, end))
            if end < batch.num_rows:
                self._rest = batch.slice(end)
                break
        return pa.Table.from_batches(pieces, self._reader.schema)

    def _batches(self) -> Iterator[pa.RecordBatch]:
        if self._rest is not None:
            rest, self._rest = self._rest, None
            yield rest
        # Not `yield from`, which would close the reader when a month ends.
        for batch in self._reader:  # noqa: UP028
            yield batch

"""The feature table of a model: what `build` gives back, narrowed, checked and brought into its total order."""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from datetime import date, timedelta
from functools import cached_property
from pathlib import Path
from typing import TYPE_CHECKING

from pipelines.config.params import RunParams
from pipelines.engines.authored import run_build
from pipelines.engines.checks import check_labels, check_rows, lost
from pipelines.engines.labels import banned, label_query
from pipelines.engines.local import explain
from pipelines.engines.mentions import in_features
from pipelines.engines.order import by_month
from pipelines.engines.schema import features_of, narrow_types
from pipelines.engines.sources import DAY_ROWS, SourceFile, first_row_id, quoted, raw_view, until_row_id
from pipelines.engines.tables import author_tables
from pipelines.storage.model_file import Feature

if TYPE_CHECKING:
    import duckdb
    import ibis
    import pyarrow as pa

BATCH_ROWS = 1 << 17
PROGRESS_SECONDS = 2.0
Progress = Callable[[str], None]


@dataclass(frozen=True)
class Frame:
    """A model's features over its tables, ready to be asked for days."""

    connection: duckdb.DuckDBPyConnection
    params: RunParams
    features: tuple[Feature, ...]
    expression: ibis.Table
    days: dict[date, int]  # rows of each
    types: dict[str, dict[str, str]]  # of each table's columns, as DuckDB calls them

    def table(self, first: date, last: date, *, label: bool = False) -> pa.Table:
        """The features of the days `first` to `last` as one table; columns and errors as of `months`."""
        import pyarrow as pa

        return pa.concat_tables([table for _, table in self.months(first, last, label=label)])

    def months(
        self, first: date, last: date, *, label: bool = False, progress: Progress | None = None
    ) -> Iterator[tuple[str, pa.Table]]:
        """`row_id`, `event_date`, `label` if asked for, and the features, in order of `row_id`, month by month.

        Months that have events come as (`yyyy-mm`, table), one in memory at a time. The label is a float64.
        `progress` is told every two seconds how many rows have been computed.

        Raises:
            ConfigError: the query that `features.py` describes fails on the data.
            DataError: rows lost or doubled, a feature infinite or known too late, or a label that the task cannot have.
        """
        months: dict[date, list[date]] = {}
        for day in sorted(day for day in self.days if first <= day <= last):
            months.setdefault(day.replace(day=1), []).append(day)
        batches = self._batches(self._query(first, last), progress or (lambda _: None))
        for month, table in by_month(batches, list(months), self._scratch / "months"):
            name, days = f"{month:%Y-%m}", months.pop(month)
            check_rows(table, sum(self.days[day] for day in days), name)
            yield name, self._finished(table, days[0], days[-1], name, label)
        for month, days in months.items():
            raise lost(0, sum(self.days[day] for day in days), f"{month:%Y-%m}")

    def _batches(self, query: str, progress: Progress) -> Iterator[pa.RecordBatch]:
        import pyarrow as pa

        rows, told = 0, time.monotonic()
        try:
            for batch in self.connection.sql(query).to_arrow_reader(BATCH_ROWS):
                yield batch
                rows += batch.num_rows
                if time.monotonic() - told > PROGRESS_SECONDS:
                    told = time.monotonic()
                    progress(f"features: {rows:,} rows computed")
        except pa.ArrowException as error:
            raise explain(error) from error

    @property
    def _scratch(self) -> Path:
        found = self.connection.cursor().execute("SELECT current_setting('temp_directory')").fetchone()
        return Path(str(found[0]))

    @cached_property
    def _sql(self) -> str:
        import ibis

        types = {"row_id": "BIGINT", "known_at": "TIMESTAMP"} | narrow_types(self.expression, self.features)
        columns = ", ".join(self._narrowed(name, kind) for name, kind in types.items())
        return f"SELECT {columns} FROM ({ibis.to_sql(self.expression, dialect='duckdb')})"  # noqa: S608

    def _narrowed(self, name: str, kind: str) -> str:
        """A column in its narrow type; a number that 32 bits do not hold is infinite, which `check_rows` refuses.

        DuckDB would raise, and say neither which column nor which row.
        """
        column = quoted(name)
        if kind != "FLOAT" or not self.expression[name].type().is_float64():
            return f"CAST({column} AS {kind}) AS {column}"
        beyond = f"CASE WHEN {column} IS NOT NULL THEN CAST(sign({column}) * CAST('inf' AS DOUBLE) AS FLOAT) END"
        return f"coalesce(TRY_CAST({column} AS FLOAT), {beyond}) AS {column}"

    def _query(self, first: date, last: date) -> str:
        days = f"row_id >= {first_row_id(first)} AND row_id < {until_row_id(last)}"
        return f"SELECT * FROM ({self._sql}) WHERE {days}"  # noqa: S608

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
    types: Mapping[str, Mapping[str, str]] | None = None,
) -> Frame:
    """The features of `features_path` over `files`, as known when the day `now` begins (default: the day after as-of).

    `types` are those of `Frame.types` when the model was trained that is asked; there are none for a training.

    Raises:
        ConfigError: `features.py` raises, or what it gives back is not a feature table.
        DataError: a table has no file, cannot be read, or has columns of another kind than in training.
    """
    now = now or params.span.as_of + timedelta(days=1)
    tables = author_tables(connection, params, files, now, types, in_features(features_path))
    given = {name: _types_of(connection, raw_view(name)) for name in params.tables}
    built = run_build(features_path, params, tables, now - timedelta(days=1))
    _register_memtables(connection, built)
    hidden = [column for table in params.tables for column in banned(params, table)]
    features = features_of(built, hidden)
    days = {file.day: file.rows for file in files if file.table == params.events and file.day and file.day <= now}
    return Frame(connection, params, features, built, days, given)


def _types_of(connection: duckdb.DuckDBPyConnection, view: str) -> dict[str, str]:
    """The types of the source's columns in a view of the framework."""
    found = {str(row[0]): str(row[1]) for row in connection.execute(f"DESCRIBE {quoted(view)}").fetchall()}
    return {name: kind for name, kind in found.items() if name not in ("row_id", "event_date")}


def _register_memtables(connection: duckdb.DuckDBPyConnection, built: ibis.Table) -> None:
    """Make the small tables that an author wrote down with `ibis.memtable` known to DuckDB under their names."""
    import ibis.expr.operations as ops

    for node in built.op().find(ops.InMemoryTable):
        connection.register(node.name, node.data.to_pyarrow(node.schema))

"""The tables that a `features.py` is given: only what may be known, under the names of `model.yaml`."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from datetime import date, timedelta
from typing import TYPE_CHECKING

from pipelines.config.model import Role, Table
from pipelines.config.params import RunParams
from pipelines.engines.label_sql import label_error
from pipelines.engines.labels import banned, check_label, label_query, label_sql
from pipelines.engines.mentions import EVERYTHING, Mentions, in_label
from pipelines.engines.shown import Types, check_agreement, shown_column
from pipelines.engines.sources import DAY_ROWS, ENGINE_NAMES, EPOCH, SourceFile, folded, quoted, raw_view, text
from pipelines.errors import ConfigError, DataError, shorten

if TYPE_CHECKING:
    import duckdb
    import ibis
    import pyarrow as pa

LABELS = "labels"
_EVENT_COLUMNS = ("row_id", "event_date", "label", "known_at")


def author_tables(
    connection: duckdb.DuckDBPyConnection,
    params: RunParams,
    files: Sequence[SourceFile],
    now: date,
    types: Mapping[str, Types] | None = None,
    named: Mentions = EVERYTHING,
) -> dict[str, ibis.Table]:
    """The tables for `build`, as they are when the day `now` begins.

    The events table goes up to `now` itself (its schedule), without the columns of `after_event` and those the label is
    made of; so do context tables that stand in for a forecast. Other context tables end the day before. `labels` holds
    the same columns for rows whose label is there and known, with `label` and `known_at`. Timestamps are plain UTC.
    The names row_id, event_date, label and known_at are the framework's: a column of the source so named is not shown.

    `types` are those that the columns of each table had in training: a model is shown the same ones. Of a column that
    they say nothing of, the files must agree among themselves.

    Raises:
        ConfigError: a table is called `labels`, or the label's expression does not fit the events table.
        DataError: a table has no file, a file cannot be read, or a column that `model.yaml` or `named` names is of
            several kinds, or of another than in training.
    """
    if LABELS in params.tables:
        raise ConfigError("a table must not be called labels", where="model.yaml tables", remedy="rename it")
    for name, table in params.tables.items():
        own = [file for file in files if file.table == name]
        columns = _create_raw(
            connection, name, table, own, (types or {}).get(name, {}), named | declared_names(params, name)
        )
        if name == params.events:
            check_label(params.label.expression, columns)
        _create_shown(connection, params, name, columns, now)
    _create_labels(connection, params, now)
    return {name: _unbound(connection, name) for name in (*params.tables, LABELS)}


def day_labels(connection: duckdb.DuckDBPyConnection, params: RunParams, events: SourceFile) -> pa.Table:
    """`row_id` and `label` (float64, null where there is none) of every row of one day's events, in their order.

    Raises:
        ConfigError: the label's expression does not fit the events table.
        DataError: the file cannot be read.
    """
    import duckdb

    if events.day is None:
        raise DataError("events have days", where=f"table {events.table}")
    table = params.tables[params.events]
    columns = _create_raw(connection, params.events, table, [events], {}, declared_names(params, params.events))
    check_label(params.label.expression, columns)
    try:
        return connection.sql(label_query(params, events.day, events.day)).to_arrow_table()
    except duckdb.Error as error:
        raise label_error(str(error)) from None


def _unbound(connection: duckdb.DuckDBPyConnection, view: str) -> ibis.Table:
    """The view as an Ibis table bound to no backend, so that an author can only describe and nothing can run early."""
    import ibis
    from ibis.backends.sql.datatypes import DuckDBType

    described = connection.execute(f"DESCRIBE {quoted(view)}").fetchall()
    return ibis.table({row[0]: DuckDBType.from_string(row[1]) for row in described}, name=view)


def _create_raw(
    connection: duckdb.DuckDBPyConnection,
    name: str,
    table: Table,
    files: Sequence[SourceFile],
    types: Types,
    named: Mentions,
) -> list[str]:
    """Create the framework's own view of a table; gives back the names of the source's columns."""
    if not files:
        raise DataError("no accepted partition", where=f"table {name}", remedy="ingest it, or drop it from model.yaml")
    paths = ", ".join(text(str(file.path)) for file in files)
    source = f"read_parquet([{paths}], union_by_name=true, hive_partitioning=false)"
    columns = _columns(connection, source, name)
    given = _given(table)
    own = {column: kind for column, kind in columns.items() if folded(column) not in given[:2]}
    check_agreement(files, own, types, named)
    shown = [shown_column(column, kind, types.get(column)) for column, kind in own.items()]
    # By the file's place in the list, not its name: two days of the same bytes may be one object in the cache.
    days = ", ".join(f"DATE '{file.day}'" for file in files)
    day = f"([{days}])[CAST(file_index AS BIGINT) + 1]"
    if "event_date" in given:
        shown.append(f"{day} AS event_date")
    if "row_id" in given:
        # Not by the name event_date: the source may have a column that SQL takes for it.
        shown.append(f"CAST({day} - DATE '{EPOCH}' AS BIGINT) * {DAY_ROWS} + file_row_number AS row_id")
    _view(connection, raw_view(name), f"SELECT {', '.join(shown)} FROM {source}")  # noqa: S608
    return list(columns)


def _create_shown(
    connection: duckdb.DuckDBPyConnection, params: RunParams, name: str, columns: Sequence[str], now: date
) -> None:
    """Create the author's view of a table, under the table's own name."""
    table, given = params.tables[name], _given(params.tables[name])
    hidden = {*banned(params, name), *given}
    shown = [quoted(column) for column in columns if folded(column) not in hidden] + list(given[:2])
    last = now if table.role is Role.EVENTS or table.known == "forecast" else now - timedelta(days=1)
    days = f" WHERE event_date <= DATE '{last}'" if given else ""
    _view(connection, name, f"SELECT {', '.join(shown)} FROM {quoted(raw_view(name))}{days}")  # noqa: S608


def _create_labels(connection: duckdb.DuckDBPyConnection, params: RunParams, now: date) -> None:
    import duckdb

    shown = [quoted(row[0]) for row in connection.execute(f"DESCRIBE {quoted(params.events)}").fetchall()]
    delay = params.label.maturity_days + 1
    known_at = f"CAST(event_date + {delay} AS TIMESTAMP) AS known_at"
    raw = quoted(raw_view(params.events))
    known = f"event_date <= DATE '{now - timedelta(days=delay)}'"
    query = f"SELECT {', '.join(shown)}, {label_sql(params)} AS label, {known_at} FROM {raw} WHERE {known}"  # noqa: S608
    try:
        _view(connection, LABELS, f"SELECT * FROM ({query}) WHERE label IS NOT NULL")  # noqa: S608
    except duckdb.Error as error:
        raise label_error(str(error)) from None


def _given(table: Table) -> tuple[str, ...]:
    """The columns that the framework gives a table."""
    if table.role is Role.EVENTS:
        return _EVENT_COLUMNS
    return ("event_date",) if table.role is Role.CONTEXT else ()


def declared_names(params: RunParams, name: str) -> Mentions:
    """The columns of a table that `model.yaml` names."""
    table = params.tables[name]
    found = Mentions.of([*table.key, *([table.time] if table.time else []), *table.after_event])
    return found | in_label(params.label.expression) if name == params.events else found


def _columns(connection: duckdb.DuckDBPyConnection, source: str, name: str) -> dict[str, str]:
    """Name and type of the source's columns."""
    import duckdb

    try:
        found = connection.execute(f"DESCRIBE SELECT * FROM {source}").fetchall()  # noqa: S608
    except duckdb.Error as error:
        reason = shorten(" ".join(str(error).split()), 160)
        raise DataError(reason, where=f"table {name}", remedy="pull its files again from the ledger") from None
    columns = {str(row[0]): str(row[1]) for row in found}
    taken = sorted(ENGINE_NAMES & {folded(column) for column in columns})
    if taken:
        raise DataError(f"column {taken[0]} has a name that DuckDB uses", where=f"table {name}", remedy="rename it")
    return columns


def _view(connection: duckdb.DuckDBPyConnection, name: str, query: str) -> None:
    connection.execute(f"CREATE OR REPLACE VIEW {quoted(name)} AS {query}")

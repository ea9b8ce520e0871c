"""The label of a partition, as `label.expression` computes it: is every value legal?"""

from __future__ import annotations

from collections.abc import Iterator
from typing import TYPE_CHECKING

from pipelines.config.model import Model, Task
from pipelines.engines.labels import LARGEST_LABEL, check_label, label_columns
from pipelines.engines.mentions import in_label
from pipelines.errors import ConfigError, shorten
from pipelines.quality.findings import Finding, critical, warning

if TYPE_CHECKING:
    import duckdb
    import pyarrow as pa


def connect() -> duckdb.DuckDBPyConnection:
    """A DuckDB session without extensions, files or network: the expression sees the partition alone."""
    import duckdb

    return duckdb.connect(
        config={
            "autoinstall_known_extensions": "false",
            "autoload_known_extensions": "false",
            "enable_external_access": "false",
            "threads": 1,
        }
    )


def judge_label(session: duckdb.DuckDBPyConnection, model: Model, data: pa.Table) -> list[Finding]:
    """Findings about the label of the events in `data`.

    Raises:
        ConfigError: the expression is no SQL, calls what does not exist or reaches outside the partition.
    """
    import duckdb

    label_columns(model.label.expression)
    try:
        check_label(model.label.expression, data.column_names)
    except ConfigError as error:
        return [critical(error.what)]
    data = _used(model, data)
    try:
        labels = _labels(session, model, data)
        return list(_illegal(session, model, labels, data.num_rows))
    except (duckdb.ParserException, duckdb.CatalogException, duckdb.PermissionException) as error:
        raise ConfigError(
            f"label.expression: {shorten(str(error), 150)}",
            where="model.yaml",
            remedy="write SQL over the events alone",
        ) from None
    except (duckdb.DataError, duckdb.ProgrammingError) as error:
        return [critical(f"label.expression cannot be computed: {shorten(str(error), 200)}")]


def bad_label(task: Task, classes: tuple[str, ...], name: str = "label") -> str:
    """SQL that is true for the values of `name` that are no legal label; null is legal, it says 'no label'."""
    number = f"TRY_CAST({name} AS DOUBLE)"
    if task is Task.BINARY:
        return f"({name} IS NOT NULL AND ({number} IS NULL OR {number} NOT IN (0, 1)))"
    if task is Task.REGRESSION:
        return f"({name} IS NOT NULL AND ({number} IS NULL OR NOT abs({number}) <= {LARGEST_LABEL!r}))"
    if classes:
        listed = ", ".join("'" + item.replace("'", "''") + "'" for item in classes)
        return f"({name} IS NOT NULL AND CAST({name} AS VARCHAR) NOT IN ({listed}))"
    return f"({name} IS NOT NULL AND ({number} IS NOT NULL AND NOT isfinite({number})))"


def _used(model: Model, data: pa.Table) -> pa.Table:
    """The columns that the label may read, and the keys: DuckDB is not shown what nobody asks about."""
    mentioned = in_label(model.label.expression)
    key = model.tables[model.events].key
    return data.select([name for name in data.column_names if name in mentioned or name in key])


def _labels(session: duckdb.DuckDBPyConnection, model: Model, data: pa.Table) -> pa.Table:
    session.register("events", data)
    try:
        return session.sql(f"SELECT ({model.label.expression}) AS label FROM events").to_arrow_table()  # noqa: S608 - the model's own SQL
    finally:
        session.unregister("events")


def _illegal(session: duckdb.DuckDBPyConnection, model: Model, labels: pa.Table, rows: int) -> Iterator[Finding]:
    session.register("labels", labels)
    wrong = bad_label(model.task, model.label.classes)
    known, bad, example, kinds = session.sql(
        f"SELECT count(label), count(*) FILTER ({wrong}), min(CAST(label AS VARCHAR)) FILTER ({wrong}), "  # noqa: S608
        f"count(DISTINCT label) FROM labels"
    ).fetchall()[0]
    session.unregister("labels")
    if bad:
        yield critical(
            f"label: {bad} of {rows} values are illegal for task {model.task}, such as {shorten(str(example))}"
        )
    elif known == 0:
        yield warning(f"label: none of {rows} rows has a label")
    elif kinds == 1 and model.task is not Task.REGRESSION:
        yield warning(f"label: all {known} labelled rows are of one class")

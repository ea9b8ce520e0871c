"""The proofs that `evergreen check` asks of a `features.py`: each looks at one thing and says what it saw."""

from __future__ import annotations

from collections.abc import Callable
from datetime import date
from typing import TYPE_CHECKING

from pipelines.authoring.check import Finding, Level, Subject, sample_days
from pipelines.engines.checks import place
from pipelines.engines.frame import Frame, open_frame
from pipelines.engines.labels import banned
from pipelines.engines.local import connect
from pipelines.engines.sources import folded
from pipelines.errors import shorten

if TYPE_CHECKING:
    import duckdb
    import ibis
    import numpy as np
    import pyarrow as pa
    from numpy.typing import NDArray


def runs(subject: Subject) -> list[Finding]:
    """The features of the newest days come out, every event once, none infinite, all known in time."""
    days = sample_days(subject.params, subject.files)
    with connect(subject.scratch / "duckdb", threads=2) as connection:
        frame = _frame(subject, connection)
        rows = sum(frame.table(day, day, label=True).num_rows for day in days)
    kinds = [item.kind for item in frame.features]
    told = (
        f"{len(kinds)} features, {kinds.count('category')} of them categories; {rows:,} rows of {_days(days)} computed"
    )
    return [Finding("features", Level.OK, told)]


def point_in_time(subject: Subject) -> list[Finding]:
    """Recomputed as of the start of a day, with everything later removed, its rows are the same to the last bit."""
    days = sample_days(subject.params, subject.files)
    leaks: dict[str, str] = {}
    with connect(subject.scratch / "duckdb", threads=2) as connection:
        frame = _frame(subject, connection)
        later = [frame.table(day, day) for day in days]
        for day, table in zip(days, later, strict=True):
            then = _frame(subject, connection, now=day).table(day, day)
            leaks = differences(table, then) | leaks
    if not leaks:
        return [Finding("point in time", Level.OK, f"rows of {_days(days)} are the same without anything later")]
    return [Finding("point in time", Level.ERROR, f"feature {name} {sentence}") for name, sentence in leaks.items()]


def threads(subject: Subject) -> list[Finding]:
    """One thread and two give the same bytes."""
    from pipelines.stages.features import write_months

    digests = []
    for count in (1, 2):
        with connect(subject.scratch / "duckdb", threads=count) as connection:
            frame = _frame(subject, connection)
            folder = subject.scratch / f"threads-{count}"
            digests.append(write_months(frame, folder, lambda _: None))
    if digests[0] == digests[1]:
        told = f"{digests[0][0]:,} rows have the same sha256 at one and two threads, {digests[0][1][:12]}…"
        return [Finding("threads", Level.OK, told)]
    return _differing(subject)


def hidden(subject: Subject) -> list[Finding]:
    """The banned columns are out of reach of `features.py`, and the label is none of the features."""
    from datetime import timedelta

    from pipelines.engines.tables import author_tables

    params = subject.params
    forbidden = {table: banned(params, table) for table in params.tables}
    with connect(subject.scratch / "duckdb", threads=1) as connection:
        tables = author_tables(connection, params, subject.files, params.span.as_of + timedelta(days=1))
        seen = {
            name: [column for column in tables[name].columns if folded(column) in columns]
            for name, columns in forbidden.items()
        }
    visible = [f"{table}.{column}" for table, columns in seen.items() for column in columns]
    if visible:
        return [Finding("banned", Level.ERROR, f"visible to features.py: {shorten(', '.join(visible), 160)}")]
    names = [column for columns in forbidden.values() for column in columns]
    told = f"out of reach of features.py: {shorten(', '.join(names), 160)}" if names else "no column is banned"
    return [Finding("banned", Level.OK if names else Level.WARNING, told)]


def spark(subject: Subject) -> list[Finding]:
    """The expression compiles for Spark too."""
    import ibis

    with connect(subject.scratch / "duckdb", threads=1) as connection:
        frame = _frame(subject, connection)
        try:
            text = compile_for_spark(frame.expression)
        except ibis.common.exceptions.IbisError as error:
            told = f"does not compile for Spark: {type(error).__name__}: {shorten(' '.join(str(error).split()), 160)}"
            return [Finding("spark", Level.WARNING, told)]
    return [Finding("spark", Level.OK, f"compiles for Spark too, {len(text):,} characters of SQL")]


ALL: dict[str, Callable[[Subject], list[Finding]]] = {
    "features": runs,
    "point in time": point_in_time,
    "threads": threads,
    "banned": hidden,
    "spark": spark,
}


def compile_for_spark(expression: ibis.Table) -> str:
    """The SQL of an Ibis expression in Spark's dialect, which needs no Spark to be installed."""
    import ibis
    from ibis.backends.sql.compilers.pyspark import PySparkCompiler

    class Options(ibis.config.Config):  # type: ignore[misc]
        """The one option that the compiler reads; the backend, which needs Spark, would declare it when imported."""

        treat_nan_as_null: bool = False

    known = ibis.options.pyspark
    ibis.options.pyspark = known or Options()
    try:
        return str(PySparkCompiler().to_sqlglot(expression.unbind()).sql(dialect="spark"))
    finally:
        ibis.options.pyspark = known


def differences(later: pa.Table, then: pa.Table) -> dict[str, str]:
    """The features whose values differ in any bit between two tables of the same rows, each with an example."""
    import numpy as np

    found = {}
    row_ids = later["row_id"].to_numpy()
    for name in later.column_names[2:]:
        if later[name].type != then[name].type:
            found[name] = f"is {later[name].type} with later data and {then[name].type} without"
            continue
        unlike = np.flatnonzero(_unlike(later[name], then[name]))
        if len(unlike):
            at = int(unlike[0])
            values = (shorten(str(table[name][at].as_py()), 24) for table in (later, then))
            found[name] = (
                f"knows the future: {len(unlike)} rows differ once later data is removed, {place(row_ids[at])} "
                f"from {next(values)} to {next(values)}"
            )
    return found


def _unlike(one: pa.ChunkedArray, other: pa.ChunkedArray) -> NDArray[np.bool_]:
    import pyarrow as pa

    nulls = [column.is_null().to_numpy() for column in (one, other)]
    if pa.types.is_floating(one.type):
        width = f"u{one.type.bit_width // 8}"
        bits = [column.fill_null(0).to_numpy().view(width) for column in (one, other)]
    else:
        filler = "" if pa.types.is_string(one.type) else 0
        bits = [column.fill_null(filler).to_numpy() for column in (one, other)]
    unlike: NDArray[np.bool_] = (nulls[0] != nulls[1]) | (bits[0] != bits[1])
    return unlike


def _differing(subject: Subject) -> list[Finding]:
    """Which features differ between one thread and two."""
    from pipelines.storage.parquet import read_table

    names: list[str] = []
    for path in sorted((subject.scratch / "threads-1").iterdir()):
        one, two = read_table(path), read_table(subject.scratch / "threads-2" / path.name)
        names += [name for name in one.column_names if name not in names and _unlike(one[name], two[name]).any()]
    told = f"differ between one thread and two: {shorten(', '.join(names), 120)}; sum integers or decimals, not floats"
    return [Finding("threads", Level.ERROR, told)]


def _frame(subject: Subject, connection: duckdb.DuckDBPyConnection, now: date | None = None) -> Frame:
    return open_frame(connection, subject.params, subject.files, subject.features, now=now)


def _days(days: list[date]) -> str:
    return ", ".join(day.isoformat() for day in days)

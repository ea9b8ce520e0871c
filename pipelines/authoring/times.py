"""The event time: whatever form the file has it in, brought to dates or to instants of UTC, and cut into days."""

from __future__ import annotations

from datetime import date
from typing import TYPE_CHECKING

from pipelines.config.names import EARLIEST, LATEST
from pipelines.errors import ConfigError, DataError, shorten

if TYPE_CHECKING:
    import pyarrow as pa

_ONLY_DAY = r"^\s*\d{4}-\d{2}-\d{2}\s*$"
_EPOCH = date(1970, 1, 1).toordinal()


def timed(data: pa.Table, time: str, notes: list[str]) -> pa.Table:
    """The table with `time` as a date, or as a timestamp in microseconds of UTC."""
    import pyarrow as pa
    import pyarrow.compute as pc

    column = data.column(time)
    kind = column.type
    if pa.types.is_string(kind):
        column = _parsed(column, time, notes)
    elif pa.types.is_date(kind):
        column = column.cast(pa.date32())
    elif pa.types.is_timestamp(kind) and kind.tz:
        column = column.cast(pa.timestamp("us", "UTC"), safe=False)
    elif pa.types.is_timestamp(kind):
        notes.append(f"{time}: times without a zone are taken as UTC")
        column = pc.assume_timezone(column.cast(pa.timestamp("us"), safe=False), "UTC")
    else:
        hint = "seconds since 1970? " if pa.types.is_integer(kind) else ""
        raise ConfigError(
            f"column {shorten(repr(time))} is {kind}, not a time",
            where="--time",
            remedy=f"{hint}convert it to timestamps or dates, and deliver it so every day",
        )
    if column.null_count:
        raise DataError(
            f"column {shorten(time)}: {column.null_count} of {len(column)} event times are null",
            where="--from",
            remedy="leave these rows out or mend them: an event without a time is of no day",
        )
    return data.set_column(data.column_names.index(time), time, column)


def _parsed(column: pa.ChunkedArray, time: str, notes: list[str]) -> pa.ChunkedArray:
    import pyarrow as pa
    import pyarrow.compute as pc

    from pipelines.quality.label import connect

    days_only = pc.all(pc.match_substring_regex(column, _ONLY_DAY)).as_py()
    with connect() as session:
        session.execute("SET TimeZone='UTC'")
        session.register("texts", pa.table({"text": column}))
        kind = "DATE" if days_only else "TIMESTAMPTZ"
        query = f"SELECT TRY_CAST(text AS {kind}) AS at FROM texts"  # noqa: S608
        parsed = session.sql(query).to_arrow_table().column("at")
    lost = pc.and_(pc.is_valid(column), pc.is_null(parsed))
    wrong = column.filter(lost)
    if len(wrong):
        raise ConfigError(
            f"{len(wrong)} of {len(column)} texts in {shorten(time, 40)} are no times, such as "
            f"{shorten(repr(wrong[0].as_py()), 60)}",
            where="--time",
            remedy="write times as 2024-01-31T13:45:00Z, or store them as timestamps",
        )
    notes.append(
        f"{time}: text is stored as {'dates' if days_only else 'times, those without an offset as UTC'}; deliver it so"
    )
    return parsed.cast(pa.date32() if days_only else pa.timestamp("us", "UTC"))


def into_days(data: pa.Table, time: str) -> tuple[pa.Table, tuple[tuple[date, int, int], ...]]:
    """The table sorted by day, rows of a day in their order, and where each day begins."""
    import numpy as np
    import pyarrow as pa

    column = data.column(time)
    if pa.types.is_timestamp(column.type):
        column = column.cast(pa.timestamp("us"))  # the same instants, read as UTC
    numbers = column.cast(pa.date32(), safe=False).cast(pa.int32()).combine_chunks().to_numpy()
    order = np.argsort(numbers, kind="stable")
    values, starts, counts = np.unique(numbers[order], return_index=True, return_counts=True)
    days = [_day(int(number), time) for number in (values[0], *values)][1:]
    triples = tuple((day, int(start), int(count)) for day, start, count in zip(days, starts, counts, strict=True))
    in_order = bool((np.diff(numbers) >= 0).all())
    return (data if in_order else data.take(pa.array(order))).combine_chunks(), triples


def _day(number: int, time: str) -> date:
    in_range = EARLIEST.toordinal() <= _EPOCH + number < LATEST.toordinal()
    if not in_range:
        said = date.fromordinal(_EPOCH + number).isoformat() if 0 < _EPOCH + number < 3_000_000 else f"day {number}"
        raise DataError(
            f"column {shorten(time)} holds {said}, outside {EARLIEST} to {LATEST}",
            where="--from",
            remedy="mend the times: a wrong unit, or a filler for missing ones?",
        )
    return date.fromordinal(_EPOCH + number)

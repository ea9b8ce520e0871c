"""The event time: whatever form the file has it in, brought to dates or to instants of UTC, and cut into days."""

from __future__ import annotations

import re
from collections.abc import Sequence
from datetime import date, timedelta
from typing import TYPE_CHECKING, Any
from zoneinfo import ZoneInfo, available_timezones

from pipelines.config.names import EARLIEST, LATEST
from pipelines.errors import ConfigError, DataError, shorten

if TYPE_CHECKING:
    import pyarrow as pa

_ONLY_DAY = r"^\s*\d{4}-\d{2}-\d{2}\s*$"
_EPOCH = date(1970, 1, 1).toordinal()
_DAY_MICROSECONDS = 86_400_000_000
_UTC = frozenset({"UTC", "Z", "GMT", "+00:00", "-00:00", "Etc/UTC", "Etc/GMT", "Zulu", "Universal"})
_OFFSET = re.compile(r"(?:UTC)?([+-])(\d{1,2})(?::?00)?\Z")
# Longer than any pause of a table that is still read: what lies on the lonely side of it are fillers.
MAX_PAUSE_DAYS = 1000
COUNTED = {"epoch_s": 1_000_000, "epoch_ms": 1_000, "epoch_us": 1, "epoch_ns": 0}
_DAYS = ("%d/%m/%Y", "%m/%d/%Y", "%d.%m.%Y", "%d-%m-%Y", "%Y/%m/%d", "%Y.%m.%d", "%Y%m%d", "%d %b %Y", "%b %d, %Y")
_CLOCKS = ("", " %H:%M", " %H:%M:%S", " %H:%M:%S.%f", " %I:%M %p", " %I:%M:%S %p")


def timed(data: pa.Table, time: str, form: str, zone: str, notes: list[str]) -> pa.Table:
    """The table with `time` as a date, or as a timestamp in microseconds of UTC.

    Args:
        data: the table, its columns in plain types.
        time: the column.
        form: how texts or numbers say a time: a pattern of strptime, or one of `COUNTED`; empty: as ISO 8601.
        zone: the time zone that the file gave the column; empty where it has none.
        notes: takes what the author should know.
    """
    import pyarrow as pa
    import pyarrow.compute as pc

    column, kind = data.column(time), data.schema.field(time).type
    number = pa.types.is_integer(kind) or pa.types.is_floating(kind)
    if form and not (number or pa.types.is_string(kind)):
        raise ConfigError(
            f"column {shorten(repr(time))} is {kind} already", where="--time-format", remedy="leave the option out"
        )
    if number and form:
        column = _counted(column, time, form, notes)
    elif pa.types.is_string(kind):
        column = _parsed(column, time, form, notes)
    elif pa.types.is_timestamp(kind) and not zone:
        notes.append(f"{time}: times without a zone are taken as UTC")
        column = pc.assume_timezone(column, "UTC") if kind.tz is None else column
    elif not (pa.types.is_date(kind) or pa.types.is_timestamp(kind)):
        raise _no_time(column, time)
    if column.null_count:
        raise DataError(
            f"column {shorten(time)}: {column.null_count} of {len(column)} event times are null",
            where="--from",
            remedy="leave these rows out or mend them: an event without a time is of no day",
        )
    return data.set_column(data.column_names.index(time), time, column)


def zone_of(kind: pa.DataType, time: str, notes: list[str]) -> str:
    """The IANA name of the zone that a timestamp type has; empty where it has none."""
    zone = getattr(kind, "tz", None)
    if zone is None:
        return ""
    if zone in _UTC:
        return "UTC"
    if zone in available_timezones():
        return ZoneInfo(zone).key
    offset = _OFFSET.fullmatch(zone)
    name = f"Etc/GMT{'-' if offset[1] == '+' else '+'}{int(offset[2])}" if offset else ""
    if name in available_timezones():
        return name
    notes.append(f"{time}: {shorten(repr(zone), 40)} is no IANA time zone, so a day is a day of UTC")
    return "UTC"


def into_days(data: pa.Table, time: str, zone: str) -> tuple[pa.Table, tuple[tuple[date, int, int], ...]]:
    """The table sorted by day of `zone`, rows of a day in their order, and where each day begins."""
    import numpy as np
    import pyarrow as pa

    numbers = _day_numbers(data.column(time), time, zone)
    order = np.argsort(numbers, kind="stable")
    values, starts, counts = np.unique(numbers[order], return_index=True, return_counts=True)
    _refuse_fillers(values, counts, time)
    triples = tuple(
        (date.fromordinal(_EPOCH + int(day)), int(start), int(count))
        for day, start, count in zip(values, starts, counts, strict=True)
    )
    in_order = bool((np.diff(numbers) >= 0).all())
    return (data if in_order else data.take(pa.array(order))).combine_chunks(), triples


def _counted(column: pa.ChunkedArray, time: str, form: str, notes: list[str]) -> pa.ChunkedArray:
    """Numbers that count from 1970, or that are the digits of a date."""
    import pyarrow as pa
    import pyarrow.compute as pc

    if form not in COUNTED:
        return _parsed(column.cast(pa.int64()).cast(pa.string()), time, form, notes)
    try:
        micros = column.cast(pa.float64()) if pa.types.is_floating(column.type) else column.cast(pa.int64())
        if COUNTED[form]:
            micros = pc.multiply_checked(micros, COUNTED[form])
        elif pa.types.is_integer(micros.type):
            micros = pc.divide(micros, 1000)
        else:
            micros = pc.divide(micros, 1000.0)
        micros = pc.round(micros).cast(pa.int64()) if pa.types.is_floating(micros.type) else micros
    except pa.ArrowInvalid as error:
        raise ConfigError(
            f"numbers in {shorten(time, 40)} are no times: {shorten(str(error), 80)}",
            where="--time-format",
            remedy=f"is it another of {', '.join(COUNTED)}?",
        ) from None
    notes.append(f"{time}: numbers are stored as times; deliver it so")
    return micros.cast(pa.timestamp("us", "UTC"))


def _no_time(column: pa.ChunkedArray, time: str) -> ConfigError:
    import pyarrow as pa

    kind = column.type
    if not pa.types.is_integer(kind):
        return ConfigError(
            f"column {shorten(repr(time))} is {kind}, not a time",
            where="--time",
            remedy="convert it to timestamps or dates, and deliver it so every day",
        )
    return ConfigError(
        f"column {shorten(repr(time))} is {kind}, not a time",
        where="--time",
        remedy=f"if it counts seconds since 1970 or the like, say {_guess(column)}",
    )


def _guess(column: pa.ChunkedArray) -> str:
    """The option that makes times of whole numbers, told from their size."""
    import pyarrow.compute as pc

    highest = abs(pc.max(column).as_py() or 0)
    for form, scale in (("epoch_s", 1), ("epoch_ms", 10**3), ("epoch_us", 10**6), ("epoch_ns", 10**9)):
        if 3 * 10**8 * scale <= highest < 5 * 10**9 * scale:
            return f"--time-format {form}"
    if 19_000_101 <= highest <= 21_001_231:
        return "--time-format %Y%m%d"
    return "--time-format epoch_s (epoch_ms, epoch_us, epoch_ns, or a pattern as %Y%m%d)"


def _parsed(column: pa.ChunkedArray, time: str, form: str, notes: list[str]) -> pa.ChunkedArray:
    """Texts as dates where all of them say no more than a day, else as times."""
    import pyarrow as pa
    import pyarrow.compute as pc

    days_only = not form and pc.all(pc.match_substring_regex(column, _ONLY_DAY)).as_py()
    parsed = _dates(column) if days_only else _by_pattern(column, form) if form else _instants(column)
    lost = pc.and_(pc.is_valid(column), pc.is_null(parsed))
    wrong = column.filter(lost)
    if len(wrong):
        raise _unreadable(column, wrong, time, form)
    micros = parsed.cast(pa.timestamp("us", "UTC")).cast(pa.int64()) if not days_only else None
    if micros is not None and pc.all(pc.equal(_remainder(micros), 0)).as_py():
        days_only, parsed = True, pc.divide(micros, _DAY_MICROSECONDS).cast(pa.int32())
    notes.append(
        f"{time}: text is stored as {'dates' if days_only else 'times, those without an offset as UTC'}; deliver it so"
    )
    return parsed.cast(pa.date32() if days_only else pa.timestamp("us", "UTC"))


def _remainder(micros: pa.ChunkedArray) -> pa.ChunkedArray:
    import pyarrow.compute as pc

    return pc.subtract(micros, pc.multiply(pc.divide(micros, _DAY_MICROSECONDS), _DAY_MICROSECONDS))


def _dates(column: pa.ChunkedArray) -> pa.ChunkedArray:
    return _asked(column, "TRY_CAST(text AS DATE)")


def _instants(column: pa.ChunkedArray) -> pa.ChunkedArray:
    return _asked(column, "TRY_CAST(text AS TIMESTAMPTZ)")


def _by_pattern(column: pa.ChunkedArray, form: str) -> pa.ChunkedArray:
    """Texts read by a pattern; raises ConfigError where it is none."""
    import duckdb

    try:
        return _asked(column, "CAST(try_strptime(trim(text), ?) AS TIMESTAMPTZ)", [form])
    except duckdb.Error as error:
        raise ConfigError(
            f"{shorten(repr(form), 40)} is no pattern for times: {shorten(str(error).splitlines()[0], 100)}",
            where="--time-format",
            remedy="write it as strptime has it, as %d/%m/%Y %H:%M",
        ) from None


def _asked(column: pa.ChunkedArray, expression: str, values: Sequence[Any] = ()) -> pa.ChunkedArray:
    import pyarrow as pa

    from pipelines.quality.label import connect

    with connect() as session:
        session.execute("SET TimeZone='UTC'")
        session.register("texts", pa.table({"text": column}))
        query = f"SELECT {expression} AS moment FROM texts"  # noqa: S608
        return session.sql(query, params=list(values)).to_arrow_table()["moment"]


def _unreadable(column: pa.ChunkedArray, wrong: pa.ChunkedArray, time: str, form: str) -> ConfigError:
    """What is wrong, and the pattern that reads all of the texts where one does."""
    what = (
        f"{len(wrong)} of {len(column)} texts in {shorten(time, 40)} are no times"
        f"{f' by {shorten(form, 40)}' if form else ''}, such as {shorten(repr(wrong[0].as_py()), 60)}"
    )
    fitting = _fitting(column)
    remedy = "write times as 2024-01-31T13:45:00Z, or say how they are written: --time-format %d.%m.%Y"
    if fitting:
        remedy = " or ".join(f"--time-format '{pattern}'" for pattern in fitting) + " reads all of them"
    return ConfigError(what, where="--time-format" if form else "--time", remedy=remedy)


def _fitting(column: pa.ChunkedArray) -> list[str]:
    """Common patterns by which every text can be read."""
    import pyarrow.compute as pc

    texts = pc.unique(column.drop_null())
    few = texts[:50]
    patterns = [day + clock for day in _DAYS for clock in _CLOCKS]
    likely = [pattern for pattern in patterns if not _by_pattern(few, pattern).null_count]
    return [pattern for pattern in likely if not _by_pattern(texts, pattern).null_count]


def _day_numbers(column: pa.ChunkedArray, time: str, zone: str) -> Any:
    """The day of every event as days since 1970."""
    import numpy as np
    import pyarrow as pa

    if pa.types.is_date(column.type):
        numbers = column.cast(pa.int32()).combine_chunks().to_numpy().astype(np.int64)
        _refuse_far(numbers, time)
        return numbers
    instants = column.cast(pa.timestamp("us")).cast(pa.int64()).combine_chunks().to_numpy()
    numbers = instants // _DAY_MICROSECONDS
    _refuse_far(numbers, time)
    return numbers if zone in ("", "UTC") else _local_days(instants, numbers, zone)


def _local_days(instants: Any, numbers: Any, zone: str) -> Any:
    """Days as the judgement of a partition has them: from midnight to midnight in `zone`."""
    import numpy as np

    from pipelines.quality.values import day_bounds

    first, last = int(numbers.min()) - 1, int(numbers.max()) + 1
    epoch = date.fromordinal(_EPOCH)
    begins = [day_bounds(epoch + timedelta(days=day), zone)[0] for day in range(first, last + 1)]
    micros = np.array([round(begin.timestamp()) * 1_000_000 for begin in begins])
    return first + np.searchsorted(micros, instants, side="right") - 1


def _refuse_far(numbers: Any, time: str) -> None:
    low, high = EARLIEST.toordinal() - _EPOCH, LATEST.toordinal() - _EPOCH
    far = numbers[(numbers < low) | (numbers >= high)]
    if not len(far):
        return
    ordinal = _EPOCH + int(far[0])
    shown = date.fromordinal(ordinal).isoformat() if 0 < ordinal <= date.max.toordinal() else f"day {int(far[0])}"
    raise DataError(
        f"column {shorten(time)} holds {shown}, outside {EARLIEST} to {LATEST}, in {len(far):,} rows",
        where="--from",
        remedy="mend the times: a wrong unit, or a filler for missing ones?",
    )


def _refuse_fillers(days: Any, counts: Any, time: str) -> None:
    """Days that lie years apart from all the others are what a missing time became."""
    import numpy as np

    if len(days) == 1 and int(days[0]) == 0:
        raise _fillers(time, f"all {int(counts[0]):,} rows are of 1970-01-01")
    pauses = np.diff(days)
    if len(days) < 2 or pauses.max() <= MAX_PAUSE_DAYS:
        return
    cut = int(pauses.argmax()) + 1
    before, after = int(counts[:cut].sum()), int(counts[cut:].sum())
    rows, place = (before, cut - 1) if before <= after else (after, cut)
    there = date.fromordinal(_EPOCH + int(days[place]))
    raise _fillers(time, f"{rows:,} rows, as of {there}, are {int(pauses.max()):,} days apart from the others")


def _fillers(time: str, what: str) -> DataError:
    return DataError(
        f"column {shorten(time)}: {what}",
        where="--from",
        remedy="fillers for missing times, or a wrong unit? leave these rows out",
    )

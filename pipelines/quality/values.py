"""A partition's values, before any expectation: keys, event times, nulls, infinities, text and row counts."""

from __future__ import annotations

import statistics
from collections.abc import Iterator, Sequence
from datetime import UTC, date, datetime, time, timedelta
from typing import TYPE_CHECKING
from zoneinfo import ZoneInfo

from pipelines.config.model import Table, Validation
from pipelines.engines.mentions import EVERYTHING, Mentions
from pipelines.errors import shorten
from pipelines.quality.findings import Finding, critical, warning

if TYPE_CHECKING:
    import pyarrow as pa

HISTORY = 28  # partitions whose row counts a new one is compared with
MIN_HISTORY = 3
MAX_FLOAT = 3.4028234663852886e38  # of 32 bits
_A_DAY = {"s": 86_400, "ms": 86_400_000, "us": 86_400_000_000}  # nanoseconds end in the year 2262
_YEAR_1, _YEAR_10000 = -719_162, 2_932_897  # days from 1970-01-01


def judge_values(
    config: Table,
    declared: Sequence[str],
    decided: frozenset[str],
    data: pa.Table,
    day: date | None,
    named: Mentions = EVERYTHING,
) -> list[Finding]:
    """What is wrong with the values of `data`, whose columns and types have been judged.

    Args:
        config: the table's part of `model.yaml`.
        declared: the columns that must not be null throughout...
        decided: ...besides these, about whose nulls an expectation decides.
        data: the partition.
        day: its day in the table's time zone; None for a static table.
        named: the columns that the model names; what is wrong with others is only told.
    """
    if data.num_rows == 0:
        return [critical("the partition has no rows")]
    found = [*_all_null(declared, decided, data), *_too_large(named, data), *_beyond_calendar(named, data)]
    found += _keys(config.key, data)
    if day is not None and config.time is not None:
        found += _times(config.time, config.time_zone, day, data)
    return found


def judge_rounded(key: Sequence[str], named: Mentions, raw: pa.Table, data: pa.Table) -> list[Finding]:
    """Whole numbers that came in `raw` as floats which no longer tell one from the next, and are so kept in `data`."""
    import pyarrow as pa
    import pyarrow.compute as pc

    found = []
    for name in data.column_names:
        kind = raw.schema.field(name).type
        if name not in named or not pa.types.is_floating(kind) or not pa.types.is_floating(data[name].type):
            continue
        bits = {16: 11, 32: 24, 64: 53}[kind.bit_width]
        values = data.column(name).drop_null()
        beyond = pc.sum(pc.greater_equal(pc.abs(values), float(2**bits))).as_py() or 0
        if beyond and pc.all(pc.equal(values, pc.floor(values))).as_py():
            said = (
                f"{name}: {beyond} of {data.num_rows} whole numbers came as {kind} and are beyond 2^{bits}: digits lost"
            )
            found.append(critical(f"{said}; deliver integers or text") if name in key else warning(said))
    return found


def judge_text(data: pa.Table) -> list[Finding]:
    """Columns whose text is not UTF-8, which parquet readers do not notice before something decodes it."""
    import pyarrow as pa

    found = []
    for name, column in zip(data.column_names, data.columns, strict=True):
        try:
            column.validate(full=True)
        except pa.ArrowInvalid as error:
            found.append(critical(f"{name}: unreadable values: {shorten(str(error), 120)}"))
    return found


def judge_row_count(rows: int, history: Sequence[int], bounds: Validation) -> list[Finding]:
    """Whether `rows` collapses or explodes against the median of `history`, the newest accepted row counts."""
    if len(history) < MIN_HISTORY:
        return []
    usual = statistics.median(history[-HISTORY:])
    low, high = bounds.row_count_low * usual, bounds.row_count_high * usual
    if low <= rows <= high:
        return []
    return [critical(f"{rows} rows where {usual:g} are usual: outside {low:g} to {high:g} (validation.row_count_*)")]


def day_bounds(day: date, zone: str) -> tuple[datetime, datetime]:
    """The UTC instants at which `day` begins and ends in `zone`: 23, 24 or 25 hours apart."""
    local = ZoneInfo(zone)
    begin = datetime.combine(day, time.min, tzinfo=local)
    end = datetime.combine(day + timedelta(days=1), time.min, tzinfo=local)
    return begin.astimezone(UTC), end.astimezone(UTC)


def _all_null(declared: Sequence[str], decided: frozenset[str], data: pa.Table) -> Iterator[Finding]:
    for name in declared:
        if name not in decided and data.column(name).null_count == data.num_rows:
            yield critical(
                f"{name}: all {data.num_rows} values are null; if that is legal, say so with "
                "ExpectColumnValuesToNotBeNull and mostly: 0"
            )


def _too_large(named: Mentions, data: pa.Table) -> Iterator[Finding]:
    """Infinite numbers, and finite ones that no model can be given: features are 32-bit floats."""
    import pyarrow as pa
    import pyarrow.compute as pc

    for name in data.column_names:
        if not pa.types.is_floating(data.schema.field(name).type):
            continue
        told = critical if name in named else warning
        sizes = pc.abs(data.column(name))
        infinite = pc.sum(pc.is_inf(sizes)).as_py() or 0
        if infinite:
            yield told(f"{name}: {infinite} of {data.num_rows} values are infinite")
        huge = pc.and_(pc.greater(sizes, MAX_FLOAT), pc.is_finite(sizes))
        count = pc.sum(huge).as_py() or 0
        if count:
            worst = pc.max(sizes.filter(huge)).as_py()
            yield told(f"{name}: {count} of {data.num_rows} values are larger than a 32-bit float can be, as {worst:g}")


def _beyond_calendar(named: Mentions, data: pa.Table) -> Iterator[Finding]:
    """Days before the year 1 or after 9999, which no calendar of Python or SQL's has."""
    import pyarrow as pa
    import pyarrow.compute as pc

    for name in data.column_names:
        kind = data.schema.field(name).type
        a_day = 1 if pa.types.is_date32(kind) else _A_DAY.get(kind.unit) if pa.types.is_timestamp(kind) else None
        if name not in named or a_day is None:
            continue
        ticks = data.column(name).cast(pa.int32() if a_day == 1 else pa.int64()).cast(pa.int64())
        bad = pc.or_(pc.less(ticks, _YEAR_1 * a_day), pc.greater_equal(ticks, _YEAR_10000 * a_day))
        count = pc.sum(bad).as_py() or 0
        if count:
            shown = data.column(name).filter(pc.fill_null(bad, False)).slice(0, 1).cast(pa.string())[0].as_py()
            yield critical(f"{name}: {count} of {data.num_rows} are outside the years 1 to 9999, such as {shown}")


def _keys(key: Sequence[str], data: pa.Table) -> Iterator[Finding]:
    for name in key:
        nulls = data.column(name).null_count
        if nulls:
            yield critical(f"{name}: {nulls} of {data.num_rows} values are null in a key column")
    keys = plain(data.select(list(key)))
    groups = keys.group_by(list(key)).aggregate([([], "count_all")])
    if groups.num_rows < data.num_rows:
        # Sorted, so that the same bytes always give the same example and with it the same ledger entry.
        worst = groups.sort_by([("count_all", "descending"), *((name, "ascending") for name in key)]).slice(0, 1)
        example = ", ".join(f"{name}={_shown(worst[name])}" for name in key)
        yield critical(
            f"duplicate keys: {data.num_rows - groups.num_rows} of {data.num_rows} rows repeat a key, such as "
            f"{shorten(example, 120)} ({worst['count_all'][0].as_py()} times)"
        )


def _times(name: str, zone: str, day: date, data: pa.Table) -> Iterator[Finding]:
    import pyarrow as pa
    import pyarrow.compute as pc

    column = data.column(name)
    if column.null_count:
        yield critical(f"{name}: {column.null_count} of {data.num_rows} event times are null")
    if pa.types.is_date(column.type):
        outside = pc.not_equal(column.cast(pa.date32()), pa.scalar(day, pa.date32()))
    else:
        begin, end = (pa.scalar(bound, pa.timestamp("us", "UTC")) for bound in day_bounds(day, zone))
        # A timestamp without a zone is UTC; truncated to microseconds it stays on its side of midnight.
        instants = column.cast(pa.timestamp("us", column.type.tz), safe=False)
        instants = instants if column.type.tz else pc.assume_timezone(instants, "UTC")
        instants = instants.cast(pa.timestamp("us", "UTC"))
        outside = pc.or_(pc.less(instants, begin), pc.greater_equal(instants, end))
    bad = data.select([name]).filter(outside)
    if bad.num_rows:
        first, last = (_shown(bad.sort_by([(name, order)])[name]) for order in ("ascending", "descending"))
        yield critical(
            f"{name}: {bad.num_rows} of {data.num_rows} event times are outside {day} ({zone}), from {first} to {last}"
        )


def plain(data: pa.Table) -> pa.Table:
    """`data` with its dictionary columns spelt out, for what cannot work on them."""
    import pyarrow as pa

    for index, field in enumerate(data.schema):
        if pa.types.is_dictionary(field.type):
            data = data.set_column(index, field.name, data.column(index).cast(field.type.value_type))
    return data


def _shown(column: pa.ChunkedArray) -> str:
    """The first value of a column, as Arrow writes it; a timestamp as in ISO 8601."""
    import pyarrow as pa

    text = str(column.slice(0, 1).cast(pa.string())[0].as_py())
    if pa.types.is_timestamp(column.type):
        text = text.replace(" ", "T", 1).replace("Z", "+00:00").replace(".000000", "")
    return shorten(text, 40)

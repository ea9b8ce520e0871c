"""Days as numbers, and what the calendar alone says about them."""

from __future__ import annotations

import math
from collections.abc import Sequence

import ibis
import ibis.expr.datatypes as dt
from ibis import Table
from ibis.expr.types import DateValue, IntegerValue, NumericValue, TimestampValue

CALENDAR = ("day_of_week", "is_weekend", "day_of_month", "day_of_year", "month", "year_sin", "year_cos")


def day_number(day: DateValue) -> IntegerValue:
    """Days since 1970-01-01 as int64: what windows and joins over days are made of, on DuckDB and on Spark alike."""
    return day.delta(ibis.date(1970, 1, 1), unit="day").cast("int64")


def add_calendar(rows: Table, *parts: str) -> Table:
    """`rows` with the named `CALENDAR` parts of `event_date` (all of them by default) as columns of those names.

    `day_of_week` counts from 0, a Monday; `year_sin` and `year_cos` put the day on a circle of one year.

    Raises:
        ValueError: a part is not one of `CALENDAR`.
    """
    day = rows.event_date
    turn = day.day_of_year().cast("float64") * (2 * math.pi / 365.25)
    known = {
        "day_of_week": day.day_of_week.index().cast("int8"),
        "is_weekend": day.day_of_week.index() >= 5,
        "day_of_month": day.day().cast("int8"),
        "day_of_year": day.day_of_year().cast("int16"),
        "month": day.month().cast("int8"),
        "year_sin": turn.sin().cast("float32"),
        "year_cos": turn.cos().cast("float32"),
    }
    _known_names(parts, known)
    return rows.mutate(**{name: known[name] for name in parts or CALENDAR})


def local_time(moment: TimestampValue, zone: str) -> TimestampValue:
    """What the clocks of `zone`, an IANA time zone, show at `moment`: the tables have all their times in UTC."""
    shown: TimestampValue = from_utc_timestamp(moment, zone)
    return shown


@ibis.udf.scalar.builtin(signature=((dt.timestamp, dt.string), dt.timestamp))  # type: ignore[untyped-decorator]
def from_utc_timestamp(moment: TimestampValue, zone: str) -> TimestampValue:
    """Spark's function of this name; the local engine defines it for DuckDB."""
    raise NotImplementedError


def bucket(value: NumericValue, width: int) -> IntegerValue:
    """`value` rounded down to a multiple of `width`, as int32: hours into parts of a day, distances into bands."""
    return ((value / width).floor() * width).cast("int32")


def _known_names(asked: Sequence[str], known: dict[str, object]) -> None:
    wrong = [name for name in asked if name not in known]
    if wrong:
        raise ValueError(f"no calendar part {wrong[0]!r}: choose from {', '.join(known)}")

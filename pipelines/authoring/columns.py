"""What every column of the file is to a model: a number, a category, a time to count days from, or nothing."""

from __future__ import annotations

import re
from dataclasses import dataclass
from enum import StrEnum
from typing import TYPE_CHECKING, Any

from pipelines.authoring.source import Events
from pipelines.authoring.words import looks_like_id
from pipelines.engines.sources import EPOCH, quoted, text

if TYPE_CHECKING:
    import duckdb

MAX_CATEGORIES = 1000
ROWS_A_CATEGORY = 10
SMALL_SET = 20
DAY = "\x01day"  # the day of every row: no column that a draft has may be called so
# Names that the draft gives to the label's past.
_DRAFTED = re.compile(r"(rate|mean|count|share_.*)_.+_\d+d", re.IGNORECASE)


class Use(StrEnum):
    """How a feature is made of a column."""

    NUMBER = "number"
    FLAG = "flag"
    CATEGORY = "category"
    CODE = "code"  # whole numbers that are names: a category
    SINCE = "since"  # a time before the event: the days since then
    MOMENT = "moment"  # the same, an instant whose day depends on the time zone
    NONE = "none"


@dataclass(frozen=True)
class Column:
    """A column, its use, and why it has none. `worst` is the largest share of nulls on any one day."""

    name: str
    type: str
    use: Use
    why: str = ""
    nulls: float = 0.0
    worst: float = 0.0
    distinct: int = 0
    values: tuple[Any, ...] = ()
    low: float | None = None
    high: float | None = None

    @property
    def is_feature(self) -> bool:
        """Whether the draft makes a feature of it."""
        return self.use is not Use.NONE


def survey(events: Events) -> tuple[Column, ...]:
    """Every column of `events` in the file's order, label and event time included (they are of no use as features)."""
    import pyarrow as pa

    from pipelines.engines.kinds import type_name
    from pipelines.quality.label import connect

    numbers = [(day - EPOCH).days for day, _, rows in events.days for _ in range(rows)]
    data = events.data.append_column(DAY, pa.array(numbers, pa.int32()).cast(pa.date32()))
    with connect() as session:
        session.execute("SET TimeZone='UTC'; SET threads=2")
        session.register("events", data)
        worst = _worst_nulls(session, events.data.column_names)
        return tuple(
            _column(session, events, field.name, type_name(field.type), worst[field.name])
            for field in events.data.schema
        )


def _worst_nulls(session: duckdb.DuckDBPyConnection, names: list[str]) -> dict[str, tuple[float, float]]:
    """Per column the share of nulls on the worst day, and the share of days on which all is null."""
    shares = ", ".join(f"1 - count({quoted(name)}) / count(*) AS {quoted(name)}" for name in names)
    sums = ", ".join(f"max({quoted(name)}), avg(({quoted(name)} = 1)::INT)" for name in names)
    query = f"SELECT {sums} FROM (SELECT {shares} FROM events GROUP BY {quoted(DAY)})"  # noqa: S608
    row = session.execute(query).fetchone() or ()
    return {name: (float(row[2 * place]), float(row[2 * place + 1])) for place, name in enumerate(names)}


def _column(
    session: duckdb.DuckDBPyConnection, events: Events, name: str, kind: str, worst: tuple[float, float]
) -> Column:
    column, rows = quoted(name), events.data.num_rows
    countable = kind not in ("float32", "float64") and kind != "binary"
    distinct = f"count(DISTINCT {column})" if countable else f"approx_count_distinct({column})"
    known, different = session.execute(f"SELECT count({column}), {distinct} FROM events").fetchone() or (0, 0)  # noqa: S608
    facts = {
        "name": name,
        "type": kind,
        "nulls": 1 - known / rows,
        "worst": worst[0],
        "distinct": different,
        "values": _values(session, column) if kind in ("string", "bool") and 0 < different <= SMALL_SET else (),
    }
    facts |= dict(zip(("low", "high"), _extremes(session, column, kind), strict=True))
    if name in (events.label, events.time):
        return Column(use=Use.NONE, **facts)
    zoned = bool(getattr(events.data.schema.field(name).type, "tz", None)) and events.zone != "UTC"
    use, why = _use(session, name, kind, known, different) if not zoned else _since(session, name, events.zone)
    if use is not Use.NONE:
        why = _useless(use, known, different, worst[1]) or _too_large(facts["low"], facts["high"])
        why = why or ("the draft calls a feature of its own so" if _DRAFTED.fullmatch(name) else "")
        use = Use.NONE if why else use
    return Column(use=use, why=why, **facts)


def _useless(use: Use, known: int, different: int, empty_days: float) -> str:
    if different < 2 and use not in (Use.SINCE, Use.MOMENT):
        return "all its values are one" if known else "all null"
    return "nothing but nulls on most days" if empty_days > 0.5 else ""


def _too_large(low: float | None, high: float | None) -> str:
    from pipelines.quality.values import MAX_FLOAT

    if low is None or high is None or max(abs(low), abs(high)) <= MAX_FLOAT:
        return ""
    return "numbers that are too large for a 32-bit float, which features are"


def _use(session: duckdb.DuckDBPyConnection, name: str, kind: str, known: int, different: int) -> tuple[Use, str]:
    few = different <= MAX_CATEGORIES and known >= ROWS_A_CATEGORY * different
    if kind == "bool" or kind.startswith("float"):
        return Use.FLAG if kind == "bool" else Use.NUMBER, ""
    if kind == "decimal":
        return Use.NONE, "numbers of more digits than a model can be given"
    if kind.startswith(("int", "uint")):
        return _whole(name, known, different, few)
    if kind == "string":
        return (Use.CATEGORY, "") if few else (Use.NONE, _why_no_category(session, name, known, different))
    if kind in ("timestamp", "date"):
        return _since(session, name)
    return Use.NONE, f"values of type {kind}"


def _whole(name: str, known: int, different: int, few: bool) -> tuple[Use, str]:
    if looks_like_id(name):
        return (Use.CODE, "") if few else (Use.NONE, f"{different:,} different numbers that look like names")
    unique = different == known and known > 100
    return (Use.NONE, "a different whole number in every row, as an id has") if unique else (Use.NUMBER, "")


def _why_no_category(session: duckdb.DuckDBPyConnection, name: str, known: int, different: int) -> str:
    column = quoted(name)
    query = f"SELECT count(TRY_CAST({column} AS DOUBLE)) FROM events"  # noqa: S608
    numbers = (session.execute(query).fetchone() or (0,))[0]
    if known and numbers >= 0.99 * known:
        return "numbers written as text: store them as numbers to use them"
    return f"text with {different:,} different values"


def _since(session: duckdb.DuckDBPyConnection, name: str, zone: str = "") -> tuple[Use, str]:
    """A time is used when it was over, in every row, before the day of the event began."""
    moment = f"timezone({text(zone)}, {quoted(name)})" if zone else quoted(name)
    query = f"SELECT count(*) FILTER (CAST({moment} AS DATE) >= {quoted(DAY)}) FROM events"  # noqa: S608
    late = (session.execute(query).fetchone() or (0,))[0]
    if late:
        return Use.NONE, f"in {late:,} rows a time on the event's day or after it"
    return Use.MOMENT if zone else Use.SINCE, ""


def _values(session: duckdb.DuckDBPyConnection, column: str) -> tuple[Any, ...]:
    query = f"SELECT DISTINCT {column} FROM events WHERE {column} IS NOT NULL ORDER BY 1"  # noqa: S608
    return tuple(row[0] for row in session.execute(query).fetchall())


def _extremes(session: duckdb.DuckDBPyConnection, column: str, kind: str) -> tuple[float | None, float | None]:
    if not kind.startswith(("int", "uint", "float")):
        return None, None
    low, high = session.execute(f"SELECT min({column}), max({column}) FROM events").fetchone() or (None, None)  # noqa: S608
    return low, high

"""Which columns of a feature table are features, of which kind, and in which narrow type they are kept."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import TYPE_CHECKING, Literal

from pipelines.engines.sources import folded
from pipelines.errors import ConfigError, shorten
from pipelines.storage.model_file import Feature

if TYPE_CHECKING:
    import ibis
    import ibis.expr.datatypes as dt

WHERE = "features.py"
_RESERVED = ("event_date", "label")
_FORBIDDEN = frozenset("[]<")


def features_of(table: ibis.Table, hidden: Sequence[str]) -> tuple[Feature, ...]:
    """The features of what `build` gave back: every column besides `row_id` and `known_at`, in its order.

    Raises:
        ConfigError: `row_id` or `known_at` is missing or of the wrong type, there is no feature, or a feature has a
            reserved or a `hidden` (folded) name, one that XGBoost does not take or that another has but for its case,
            or a type that no model can read.
    """
    kinds = dict(table.schema().items())
    _distinct(list(kinds))
    _require(kinds, "row_id", "int64", lambda kind: kind.is_int64())
    _require(kinds, "known_at", "timestamp", lambda kind: kind.is_timestamp())
    names = [name for name in kinds if name not in {"row_id", "known_at"}]
    if not names:
        raise ConfigError("build gave back no feature", where=WHERE, remedy="select at least one column besides row_id")
    for name in names:
        if folded(name) in {*hidden, *_RESERVED}:
            raise ConfigError(
                f"feature {name} has the name of the label or of a column that is known only after the event",
                where=WHERE,
                remedy="leave it out; if it is something else, give it another name",
            )
        if _FORBIDDEN & set(name) or not name.strip():
            raise ConfigError(
                f"feature {shorten(repr(name))} cannot be named to XGBoost, which takes no [, ] and <",
                where=WHERE,
                remedy="give the feature another name in features.py, as in .rename(below='a<b')",
            )
    return tuple(Feature(name=name, kind=_kind(name, kinds[name]), type=_type(kinds[name])) for name in names)


def _distinct(names: Sequence[str]) -> None:
    """Refuse names that are one to SQL: the second would silently have the values of the first."""
    first: dict[str, str] = {}
    for name in names:
        other = first.setdefault(folded(name), name)
        if other != name:
            raise ConfigError(
                f"columns {shorten(other)} and {shorten(name)} differ in case only, which SQL does not tell apart",
                where=WHERE,
                remedy="give one of them another name",
            )


def narrow_types(table: ibis.Table, features: Sequence[Feature]) -> dict[str, str]:
    """The SQL types in which the features are kept: text, integers of 8 to 32 bits, otherwise 32-bit floats.

    Wider integers and decimals become floats, which is what XGBoost makes of them. DuckDB must be told every type: its
    own differ from Ibis's for literals and date parts.
    """
    return {item.name: _narrow(table[item.name].type()) for item in features}


def _narrow(kind: dt.DataType) -> str:
    if kind.is_string():
        return "VARCHAR"
    if kind.is_boolean():
        return "TINYINT"
    if kind.is_signed_integer() and kind.nbytes <= 4:
        return {1: "TINYINT", 2: "SMALLINT", 4: "INTEGER"}[kind.nbytes]
    return "INTEGER" if kind.is_unsigned_integer() and kind.nbytes <= 2 else "FLOAT"


def _kind(name: str, kind: dt.DataType) -> Literal["number", "category"]:
    if kind.is_string():
        return "category"
    if kind.is_boolean() or kind.is_numeric():
        return "number"
    raise ConfigError(
        f"feature {name} is of type {shorten(str(kind))}", where=WHERE, remedy="make it a number, a boolean or text"
    )


def _type(kind: dt.DataType) -> Literal["text", "float", "integer", "boolean"]:
    if kind.is_string():
        return "text"
    if kind.is_boolean():
        return "boolean"
    return "integer" if kind.is_integer() and not kind.is_uint64() else "float"


def _require(kinds: dict[str, dt.DataType], name: str, type_name: str, fits: Callable[[dt.DataType], bool]) -> None:
    if name not in kinds:
        raise ConfigError(f"build gave back no {name}", where=WHERE, remedy="end build with pipelines.features.finish")
    if not fits(kinds[name]):
        raise ConfigError(f"{name} is {kinds[name]}, not {type_name}", where=WHERE, remedy=f"cast it to {type_name}")

"""Finds one row by its key as a person writes it: values by comma in the key's order, or `name=value` pairs."""

from __future__ import annotations

import csv
from collections.abc import Sequence
from datetime import UTC, date, datetime
from difflib import SequenceMatcher
from typing import TYPE_CHECKING, Any

from pipelines.errors import ConfigError, InputError, shorten

if TYPE_CHECKING:
    import pyarrow as pa
    from numpy.typing import NDArray

NEAR, LOOKED_AT = 3, 200


def parse(text: str, names: Sequence[str]) -> dict[str, str]:
    """Key column to its value as written; a value that holds a comma stands in double quotes.

    Raises:
        ConfigError: too few or too many values, a name that is no key column, or one named twice.
    """
    parts = next(csv.reader([text], skipinitialspace=True), [])
    remedy = f"write {','.join(names)}, or {names[0]}=…"
    if parts and all(part.partition("=")[0].strip() in names and "=" in part for part in parts):
        pairs = [(part.partition("=")[0].strip(), part.partition("=")[2]) for part in parts]
        missing = [name for name in names if name not in dict(pairs)]
        if missing or len(pairs) != len(names):
            told = f"lacks {', '.join(missing)}" if missing else "names a column twice"
            raise ConfigError(f"{shorten(repr(text))} {told}", where="KEY", remedy=remedy)
        return dict(pairs)
    if len(parts) != len(names):
        raise ConfigError(
            f"{shorten(repr(text))} has {len(parts)} values, the key has {len(names)}", where="KEY", remedy=remedy
        )
    return dict(zip(names, parts, strict=True))


def find(table: pa.Table, wanted: dict[str, str]) -> list[int]:
    """The places of the rows of `table` (with the key's columns) that have this key: several where it is not unique.

    Raises:
        ConfigError: a value cannot be one of its column.
        InputError: no row has it; the nearest ones are named.
    """
    import numpy as np

    equal = np.stack([_equal(table[name], name, text) for name, text in wanted.items()])
    found = np.flatnonzero(equal.all(axis=0))
    if len(found):
        return [int(place) for place in found]
    near = _near(table, wanted, equal.sum(axis=0))
    told = f"near it: {'; '.join(near)}" if near else "there are no rows at all"
    raise InputError(f"no row has the key {shorten(','.join(wanted.values()))}", where="KEY", remedy=shorten(told, 170))


def written(table: pa.Table, names: Sequence[str], place: int) -> str:
    """The key of a row as `parse` reads it."""
    return ",".join(_text(table[name][place].as_py()) for name in names)


def _equal(column: pa.ChunkedArray, name: str, text: str) -> NDArray[Any]:
    import pyarrow.compute as pc

    found: NDArray[Any] = pc.fill_null(pc.equal(column, _scalar(column.type, name, text)), False).to_numpy()
    return found


def _scalar(kind: pa.DataType, name: str, text: str) -> Any:
    import pyarrow as pa

    kind = kind.value_type if pa.types.is_dictionary(kind) else kind
    try:
        if pa.types.is_timestamp(kind):
            moment = datetime.fromisoformat(text)
            if kind.tz and moment.tzinfo is None:
                moment = moment.replace(tzinfo=UTC)
            elif not kind.tz and moment.tzinfo is not None:
                moment = moment.astimezone(UTC).replace(tzinfo=None)
            return pa.scalar(moment, kind)
        if pa.types.is_date(kind):
            return pa.scalar(date.fromisoformat(text), kind)
        return pa.scalar(text, pa.string()).cast(kind)
    except (ValueError, OverflowError, pa.ArrowException):
        raise ConfigError(
            f"{shorten(repr(text))} is no {kind}", where=f"KEY, column {name}", remedy="write it as the table has it"
        ) from None


def _near(table: pa.Table, wanted: dict[str, str], matches: NDArray[Any]) -> list[str]:
    """The rows that agree in most columns; of these (200 at most) the ones whose text is most alike."""
    import numpy as np

    if not len(matches):
        return []
    best, text = np.flatnonzero(matches == matches.max()), ",".join(wanted.values())
    some = best[:: -(-len(best) // LOOKED_AT)]
    known = [written(table, list(wanted), int(place)) for place in some]
    ranked = sorted(dict.fromkeys(known), key=lambda key: -SequenceMatcher(None, text, key).ratio())
    return ranked[:NEAR]


def _text(value: Any) -> str:
    text = value.isoformat() if isinstance(value, date | datetime) else str(value)
    return f'"{text}"' if "," in text else text

"""Kinds of columns: the one rule for names of types, for the type a column is kept in, and for what fits it.

Writers differ in width, unit and encoding: int32 or int64, float32 or double, dictionaries, nanoseconds, decimals of
scale 0. A partition's column is brought to one type (declared in `expectations.yaml`, else that of the days before,
else the widest of its kind) where every value stays what it was. Values are looked at in Arrow, never one by one.
"""

from __future__ import annotations

import re
from dataclasses import dataclass
from typing import TYPE_CHECKING

from pipelines.errors import shorten

if TYPE_CHECKING:
    import pyarrow as pa

_ALIASES = {"double": "float64", "float": "float32", "halffloat": "float16", "str": "string", "large_string": "string"}
_ALIASES |= {"string_view": "string", "boolean": "bool", "date32[day]": "date", "date64[ms]": "date"}
_UNITS = ("timestamp", "time32", "time64", "duration")
_DECIMAL = re.compile(r"decimal\d*\((\d+), (-?\d+)\)")
_WIDE = 38  # digits of a decimal that DuckDB and Arrow both have
_EXACT = {16: 11, 32: 24, 64: 53}  # bits of a float, to the bits of the whole numbers that it tells apart
_TICKS = {"s": 1_000_000, "ms": 1_000, "us": 1}
_DAY_MICROSECONDS = 86_400_000_000


@dataclass
class MisfitError(Exception):
    """A column whose values cannot be kept in a type; `by_kind`: of another kind altogether, whatever the values."""

    sentence: str
    by_kind: bool


def type_name(kind: pa.DataType) -> str:
    """The name a type goes by in `expectations.yaml`: int64, float64, string, bool, timestamp, date, decimal, ..."""
    import pyarrow as pa

    return standard_name(str(kind.value_type if pa.types.is_dictionary(kind) else kind))


def standard_name(text: str) -> str:
    """The name of a type as written by a library or a person, in the words of `type_name`."""
    head = text.split("[", 1)[0].split("(", 1)[0]
    if head in _UNITS:
        return head
    if head.startswith("decimal"):
        return "decimal"
    return _ALIASES.get(text, text)


def family(name: str) -> str:
    """What kind of values the type called `name` (see `type_name`) holds: types of one family differ in width alone."""
    if re.fullmatch(r"u?int\d+", name):
        return "integer"
    if re.fullmatch(r"float\d+", name):
        return "number"
    return "time" if name in ("time32", "time64") else name


def wide(kind: pa.DataType) -> pa.DataType | None:
    """The type in which a column of type `kind` is kept where nobody declares one; None: no table here can hold it."""
    import pyarrow as pa

    is_a = pa.types
    if is_a.is_dictionary(kind):
        return wide(kind.value_type)
    if is_a.is_decimal(kind):
        return pa.int64() if kind.scale <= 0 else pa.decimal128(_WIDE, kind.scale) if kind.scale <= _WIDE else None
    if is_a.is_timestamp(kind):
        return pa.timestamp("us", "UTC" if kind.tz else None)
    name = type_name(kind)
    if family(name) == "integer":
        return pa.uint64() if name == "uint64" else pa.int64()
    plain = {"number": pa.float64(), "string": pa.string(), "bool": pa.bool_(), "date": pa.date32(), "null": pa.null()}
    plain |= {"time": pa.time64("us"), "duration": pa.duration("us")}
    if any(
        test(kind) for test in (is_a.is_binary, is_a.is_large_binary, is_a.is_binary_view, is_a.is_fixed_size_binary)
    ):
        return pa.binary()
    return plain.get(family(name))


def declared(name: str) -> pa.DataType | None:
    """The type in which a column is kept that `expectations.yaml` declares as `name`; None: that depends on the file.

    A whole number keeps its declared width; every float is kept as a double, which holds the narrower ones exactly.
    """
    import pyarrow as pa

    name = standard_name(name)
    if family(name) == "integer":
        return pa.type_for_alias(name) if name.lstrip("uint") in ("8", "16", "32", "64") else None
    known = {"number": pa.float64(), "string": pa.string(), "bool": pa.bool_(), "date": pa.date32()}
    return known.get(family(name))


def from_text(text: str) -> pa.DataType | None:
    """The type whose `str` is `text`, if it is one in which columns are kept."""
    import pyarrow as pa

    decimal = _DECIMAL.fullmatch(text)
    if decimal:
        precision, scale = (int(number) for number in decimal.groups())
        return pa.decimal128(precision, scale) if 0 < precision <= _WIDE and 0 <= scale <= precision else None
    if text == "timestamp[us, tz=UTC]":
        return pa.timestamp("us", "UTC")
    try:
        return pa.type_for_alias(text.replace("date32[day]", "date32"))
    except ValueError:
        return None


def fit(column: pa.ChunkedArray, target: pa.DataType) -> pa.ChunkedArray:
    """`column` as `target`, every value what it was; the very `column` where there is nothing to do.

    NaN is how pandas writes a number that is missing, and becomes null. A column without a value is of any kind: where
    all texts are missing pandas writes doubles. Times finer than a microsecond are cut to it:
    nothing here tells them apart.

    Raises:
        MisfitError: the column is of another kind, or some of its values do not fit.
    """
    import pyarrow as pa

    if column.type.equals(target):
        return _without_nan(column)
    if pa.types.is_dictionary(column.type):
        return fit(column.cast(column.type.value_type), target)
    if not _any_value(column):
        return pa.chunked_array([pa.nulls(len(column), target)])
    for test, convert in (
        (pa.types.is_integer, _to_integer),
        (pa.types.is_floating, _to_number),
        (pa.types.is_decimal, _to_decimal),
        (pa.types.is_boolean, _to_boolean),
        (pa.types.is_timestamp, _to_timestamp),
        (pa.types.is_date32, _to_date),
        (pa.types.is_string, _to_text),
    ):
        if test(target):
            return convert(column, target)
    return _plainly(column, target)


def _any_value(column: pa.ChunkedArray) -> bool:
    """Whether some value is neither null nor NaN."""
    import pyarrow as pa

    return column.null_count < len(column) and (
        not pa.types.is_floating(column.type) or _without_nan(column).null_count < len(column)
    )


def _another(column: pa.ChunkedArray, target: pa.DataType) -> MisfitError:
    return MisfitError(f"type {shorten(type_name(column.type))} instead of {type_name(target)}", by_kind=True)


def _bad(column: pa.ChunkedArray, target: pa.DataType, bad: pa.ChunkedArray, why: str = "") -> MisfitError:
    """The misfit of the values for which `bad` is true."""
    import pyarrow as pa
    import pyarrow.compute as pc

    count = pc.sum(bad).as_py() or 0
    first = column.filter(pc.fill_null(bad, False)).slice(0, 1)
    shown = shorten(str(first.cast(pa.string())[0].as_py()), 40)
    return MisfitError(
        f"{count} of {len(column)} values do not fit {type_name(target)}{why}, such as {shown}", by_kind=False
    )


def _numeric(kind: pa.DataType) -> bool:
    import pyarrow as pa

    is_a = pa.types
    return bool(is_a.is_integer(kind) or is_a.is_floating(kind) or is_a.is_decimal(kind) or is_a.is_boolean(kind))


def _to_integer(column: pa.ChunkedArray, target: pa.DataType) -> pa.ChunkedArray:
    import pyarrow as pa
    import pyarrow.compute as pc

    kind = column.type
    if not _numeric(kind):
        raise _another(column, target)
    if pa.types.is_floating(kind):
        values = _without_nan(column.cast(pa.float64()))
        bits = _EXACT[kind.bit_width]
        broken = pc.not_equal(values, pc.floor(values))
        beyond = pc.greater(pc.abs(values), float(2**bits))
        bad = pc.or_(broken, beyond)
        if pc.any(bad).as_py():
            lost = "" if pc.any(broken).as_py() else f", beyond 2^{bits} digits are lost"
            raise _bad(values, target, bad, lost)
        column = values.cast(pa.int64())
    elif pa.types.is_decimal(kind):
        column = _rescaled(column, target)
    elif pa.types.is_boolean(kind):
        column = column.cast(pa.int8())
    return _within(column, target)


def _without_nan(column: pa.ChunkedArray) -> pa.ChunkedArray:
    import pyarrow as pa
    import pyarrow.compute as pc

    if not pa.types.is_floating(column.type):
        return column
    nan = pc.is_nan(column)
    return pc.if_else(nan, pa.scalar(None, column.type), column) if pc.any(nan).as_py() else column


def _rescaled(column: pa.ChunkedArray, target: pa.DataType) -> pa.ChunkedArray:
    """Decimals as decimals without a fraction, where they have none."""
    import pyarrow as pa
    import pyarrow.compute as pc

    kind = column.type
    if kind.scale > 0:
        whole = pc.floor(column)
        bad = pc.not_equal(column, whole)
        if pc.any(bad).as_py():
            raise _bad(column, target, bad)
    wide_type = pa.decimal256(76, max(kind.scale, 0))
    return column.cast(wide_type).cast(pa.decimal256(76, 0))


def _within(column: pa.ChunkedArray, target: pa.DataType) -> pa.ChunkedArray:
    """Whole numbers as `target`, if all of them are in its range."""
    import pyarrow as pa
    import pyarrow.compute as pc

    try:
        return column.cast(target)
    except pa.ArrowInvalid:
        bits = target.bit_width
        signed = pa.types.is_signed_integer(target)
        low, high = (-(2 ** (bits - 1)), 2 ** (bits - 1) - 1) if signed else (0, 2**bits - 1)
        values = column if pa.types.is_decimal(column.type) else column.cast(pa.decimal128(_WIDE, 0))
        bounds = [pa.scalar(bound, pa.decimal128(_WIDE, 0)).cast(values.type) for bound in (low, high)]
        bad = pc.or_(pc.less(values, bounds[0]), pc.greater(values, bounds[1]))
        raise _bad(column, target, bad) from None


def _to_number(column: pa.ChunkedArray, target: pa.DataType) -> pa.ChunkedArray:
    import pyarrow as pa
    import pyarrow.compute as pc

    kind = column.type
    if not _numeric(kind):
        raise _another(column, target)
    if pa.types.is_floating(kind):
        return _without_nan(column.cast(target))
    if pa.types.is_boolean(kind):
        column = column.cast(pa.int8())
    if pa.types.is_decimal(kind):
        values = _nearest(column)
        bad = pc.not_equal(*_digits(values, column))
    else:
        values = column.cast(pa.float64(), safe=False)
        bad = pc.greater(pc.abs(values), float(2**53))
    if pc.any(bad).as_py():
        raise _bad(column, target, bad, ", digits would be lost")
    return values


def _nearest(column: pa.ChunkedArray) -> pa.ChunkedArray:
    """The doubles nearest to decimals, as a person's digits are read: Arrow's own cast is off by a last bit."""
    import pyarrow as pa

    return column.cast(pa.string()).cast(pa.float64())


def _digits(values: pa.ChunkedArray, column: pa.ChunkedArray) -> tuple[pa.ChunkedArray, pa.ChunkedArray]:
    """Doubles and the decimals they came of, to be compared by the digits that a person reads.

    A double's own digits, of which there are fifty, are never those of a decimal of 18 places.
    """
    import pyarrow as pa

    widest = pa.decimal256(76, max(column.type.scale, 0))
    try:
        return values.cast(pa.string()).cast(widest), column.cast(widest)
    except pa.ArrowInvalid:
        raise MisfitError(f"{shorten(str(column.type))} does not fit float64, digits would be lost", False) from None


def _to_decimal(column: pa.ChunkedArray, target: pa.DataType) -> pa.ChunkedArray:
    import pyarrow as pa
    import pyarrow.compute as pc

    if not _numeric(column.type) or pa.types.is_boolean(column.type):
        raise _another(column, target)
    try:
        values = column.cast(target, safe=not pa.types.is_floating(column.type))
    except pa.ArrowInvalid:
        raise MisfitError(
            f"{shorten(str(column.type))} does not fit {target}: more digits than there is room for", by_kind=False
        ) from None
    if pa.types.is_floating(column.type):
        bad = pc.not_equal(_nearest(values), _without_nan(column.cast(pa.float64())))
        if pc.any(bad).as_py():
            raise _bad(column, target, bad)
    return values


def _to_boolean(column: pa.ChunkedArray, target: pa.DataType) -> pa.ChunkedArray:
    import pyarrow as pa
    import pyarrow.compute as pc

    if not _numeric(column.type):
        raise _another(column, target)
    values = fit(column, pa.int64())
    bad = pc.invert(pc.is_in(values, pa.array([0, 1, None], pa.int64())))
    if pc.any(bad).as_py():
        raise _bad(values, target, bad)
    return values.cast(target)


def _to_timestamp(column: pa.ChunkedArray, target: pa.DataType) -> pa.ChunkedArray:
    """Instants in microseconds. A time without a zone is UTC, and so is one whose zone nobody knows."""
    import pyarrow as pa

    kind = column.type
    if pa.types.is_date(kind):
        column = column.cast(pa.timestamp("ms")) if pa.types.is_date64(kind) else column.cast(pa.timestamp("s"))
        kind = column.type
    if not pa.types.is_timestamp(kind):
        raise _another(column, target)
    return pa.chunked_array([_micros(chunk).cast(target) for chunk in column.chunks], target)


def _micros(chunk: pa.Array) -> pa.Array:
    import numpy as np
    import pyarrow as pa
    import pyarrow.compute as pc

    unit, numbers = chunk.type.unit, chunk.cast(pa.int64())
    if unit == "ns":
        values = np.floor_divide(pc.fill_null(numbers, 0).to_numpy(zero_copy_only=False), 1000)
        return pa.array(values, pa.int64(), mask=numbers.is_null().to_numpy(zero_copy_only=False))
    try:
        return pc.multiply_checked(numbers, _TICKS[unit])
    except pa.ArrowInvalid:
        bad = pc.greater(pc.abs(numbers), (2**63 - 1) // _TICKS[unit])
        raise _bad(pa.chunked_array([numbers]), pa.timestamp("us"), bad, f" (counted in {unit})") from None


def _to_date(column: pa.ChunkedArray, target: pa.DataType) -> pa.ChunkedArray:
    import pyarrow as pa
    import pyarrow.compute as pc

    kind = column.type
    if pa.types.is_date(kind):
        return column.cast(target)
    if not pa.types.is_timestamp(kind):
        raise _another(column, target)
    micros = _to_timestamp(column, pa.timestamp("us")).cast(pa.int64())
    days = pc.divide(micros, _DAY_MICROSECONDS)
    bad = pc.not_equal(pc.multiply(days, _DAY_MICROSECONDS), micros)
    if pc.any(bad).as_py():
        raise _bad(column.cast(pa.timestamp("us"), safe=False), target, bad, " (a time of day would be lost)")
    return days.cast(pa.int32()).cast(target)


def _to_text(column: pa.ChunkedArray, target: pa.DataType) -> pa.ChunkedArray:
    import pyarrow as pa

    is_a = pa.types
    texts = (is_a.is_string, is_a.is_large_string, is_a.is_string_view)
    octets = (is_a.is_binary, is_a.is_large_binary, is_a.is_binary_view)
    if not any(test(column.type) for test in (*texts, *octets)):
        raise _another(column, target)
    try:
        return column.cast(target)
    except pa.ArrowInvalid:
        raise MisfitError("holds bytes that are no UTF-8 text", by_kind=False) from None


def _plainly(column: pa.ChunkedArray, target: pa.DataType) -> pa.ChunkedArray:
    """What has no finer rule: times of day, durations, bytes."""
    import pyarrow as pa

    same = family(type_name(column.type)) == family(type_name(target)) or wide(column.type) == target
    if not same:
        raise _another(column, target)
    try:
        return column.cast(target, safe=False)
    except (pa.ArrowInvalid, pa.ArrowNotImplementedError) as error:
        raise MisfitError(f"does not fit {target}: {shorten(str(error), 80)}", by_kind=False) from None

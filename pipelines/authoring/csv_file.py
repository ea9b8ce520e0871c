"""A CSV file as a table: its separator told from the header, its types from all of its values."""

from __future__ import annotations

import csv
import gzip
import io
from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import IO, TYPE_CHECKING, cast

from pipelines.config.model import Validation
from pipelines.errors import ConfigError, DataError, shorten
from pipelines.storage.files import short
from pipelines.storage.parquet import MAX_COLUMNS, check_bytes

if TYPE_CHECKING:
    import duckdb
    import pyarrow as pa

ENDINGS = (".csv", ".tsv", ".txt", ".csv.gz", ".tsv.gz", ".txt.gz")
_SEPARATORS = (",", ";", "\t", "|")
_MAX_HEADER = 1 << 20
_CHUNK = 1 << 20
_GZIP = b"\x1f\x8b"
_WIDE_TEXT = (b"\xff\xfe", b"\xfe\xff")
# What stands for 'nothing' in columns of numbers, times and flags; in a column of text these are texts.
_NOTHING = ("na", "n/a", "#n/a", "nan", "null", "none", "nil", "-", "?", "")
_WORDS = "(" + ", ".join(f"'{word}'" for word in _NOTHING) + ")"
_INTEGER, _NUMBER = r"[-+]?(0|[1-9]\d*)", r"[-+]?((0|[1-9]\d*)?(\.\d*)?([eE][-+]?\d+)?|[iI]nf(inity)?)"
_LONG = r"[-+]?\d{16,}"  # whole numbers whose last digits no float has
_COMMA = r"[-+]?\d[\d.]*,\d+"
_DOUBLE = "TRY_CAST(t AS DOUBLE)"
_DAY, _TIME = r"\d{4}-\d{2}-\d{2}", r"\d{4}-\d{2}-\d{2}[ T]\d{2}:\d{2}.*"
_OFFSET = r"([zZ]|[-+]\d{2}(:?\d{2})?)"
# SQL type, and what is true of every text that is one.
_TYPES = (
    ("BOOLEAN", "lower(t) IN ('true', 'false')"),
    ("BIGINT", f"regexp_full_match(t, '{_INTEGER}') AND TRY_CAST(t AS BIGINT) IS NOT NULL"),
    ("DOUBLE", f"regexp_full_match(t, '{_NUMBER}') AND NOT regexp_full_match(t, '{_LONG}') AND {_DOUBLE} IS NOT NULL"),
    ("DATE", f"regexp_full_match(t, '{_DAY}') AND TRY_CAST(t AS DATE) IS NOT NULL"),
    ("TIMESTAMPTZ", f"regexp_full_match(t, '{_TIME}{_OFFSET}') AND TRY_CAST(t AS TIMESTAMPTZ) IS NOT NULL"),
    ("TIMESTAMP", f"regexp_full_match(t, '{_TIME}') AND TRY_CAST(t AS TIMESTAMP) IS NOT NULL"),
)


@dataclass(frozen=True)
class _Shape:
    """The separator and the columns' names."""

    separator: str
    names: tuple[str, ...]


def is_csv(path: Path) -> bool:
    """Whether a file's name says that it is text with separators."""
    return path.name.lower().endswith(ENDINGS)


def load_csv(path: Path, asked: Sequence[str]) -> pa.Table:
    """The table in the CSV file at `path`, whose header should name the columns `asked`; the last stays text.

    Raises:
        ConfigError: numbers are written with a comma.
        DataError: too large, not UTF-8, without a header, or with rows of another length.
    """
    _check_size(path)
    shape = _shape(path, asked)
    _check_header(path, shape)
    return _typed(path, _texts(path, shape), asked[-1])


def _check_size(path: Path) -> None:
    caps = Validation()
    check_bytes(path.stat().st_size, caps, short(path))
    size = 0
    try:
        with _opened(path) as file:
            head = file.read(2)
            if head in _WIDE_TEXT:
                raise DataError("is UTF-16, not UTF-8", where=short(path), remedy="save it as UTF-8")
            while chunk := file.read(_CHUNK):
                size += len(chunk)
                if size > caps.max_uncompressed_bytes:
                    raise DataError(
                        f"expands to more than {caps.max_uncompressed_bytes} bytes",
                        where=short(path),
                        remedy="bring fewer rows or columns",
                    )
    except (OSError, EOFError) as error:
        raise DataError(f"cannot be read: {shorten(str(error), 100)}", where=short(path)) from None
    if not head:
        raise DataError("the file is empty (0 bytes)", where=short(path), remedy="bring data")


def _opened(path: Path) -> IO[bytes]:
    with path.open("rb") as file:
        packed = file.read(2) == _GZIP
    return cast("IO[bytes]", gzip.open(path)) if packed else path.open("rb")


def _shape(path: Path, asked: Sequence[str]) -> _Shape:
    """The separator by which the header names most of the columns that were asked for, then most columns."""
    with _opened(path) as file:
        raw = file.read(_MAX_HEADER)
    text = raw.decode("utf-8-sig", errors="replace")
    shapes = []
    for separator in _SEPARATORS:
        try:
            header = next(csv.reader(io.StringIO(text, newline=""), delimiter=separator, strict=True), [])
        except csv.Error:
            continue
        names = tuple(name.strip() or f"column {number}" for number, name in enumerate(header, 1))
        shapes.append(_Shape(separator, names))
    if not shapes:
        raise DataError("its first line is no header", where=short(path), remedy="name the columns in the first line")
    return max(shapes, key=lambda shape: (sum(name in shape.names for name in asked), len(shape.names)))


def _check_header(path: Path, shape: _Shape) -> None:
    twice = [name for name, count in Counter(shape.names).items() if count > 1]
    if twice:
        raise DataError(
            f"column {shorten(repr(twice[0]))} stands {shape.names.count(twice[0])} times in the header",
            where=short(path),
            remedy="give every column a name of its own",
        )
    if len(shape.names) > MAX_COLUMNS:
        raise DataError(f"{len(shape.names)} columns, more than {MAX_COLUMNS}", where=short(path))


def _texts(path: Path, shape: _Shape) -> pa.Table:
    """All columns as text; what is empty is null."""
    import pyarrow as pa
    from pyarrow import csv as arrow

    names = list(shape.names)
    try:
        with _opened(path) as file:
            return arrow.read_csv(
                pa.PythonFile(file, mode="r"),
                read_options=arrow.ReadOptions(
                    column_names=names, skip_rows_after_names=1, use_threads=False, block_size=16 << 20
                ),
                parse_options=arrow.ParseOptions(delimiter=shape.separator, newlines_in_values=True),
                convert_options=arrow.ConvertOptions(
                    column_types=dict.fromkeys(names, pa.string()), strings_can_be_null=True, null_values=[""]
                ),
            )
    except (pa.ArrowException, OSError, EOFError) as error:
        raise _unreadable(path, error) from None


def _unreadable(path: Path, error: Exception) -> DataError:
    line = _bad_line(path)
    if line:
        what, remedy = f"line {line} is not UTF-8 text", "save it as UTF-8"
    else:
        reason = " ".join(str(error).split()).removeprefix("CSV parse error: ")
        what, remedy = f"not readable as CSV: {shorten(reason, 140)}", "put text that holds separators in quotes"
    return DataError(what, where=short(path), remedy=remedy)


def _bad_line(path: Path) -> int:
    """The number of the first line that is not UTF-8, or 0."""
    with _opened(path) as file:
        for number, line in enumerate(file, 1):
            try:
                line.decode()
            except UnicodeDecodeError:
                return number
    return 0


def _typed(path: Path, texts: pa.Table, time: str) -> pa.Table:
    from pipelines.engines.sources import quoted
    from pipelines.quality.label import connect

    with connect() as session:
        session.execute("SET TimeZone='UTC'")
        session.register("texts", texts)
        parts = []
        for name in texts.column_names:
            kind = "" if name == time else _type(session, quoted(name))
            if kind == "COMMA":
                raise _decimal_comma(session, path, name)
            parts.append(f"{_cast(quoted(name), kind)} AS {quoted(name)}" if kind else quoted(name))
        return session.sql(f"SELECT {', '.join(parts)} FROM texts").to_arrow_table()  # noqa: S608


def _type(session: duckdb.DuckDBPyConnection, column: str) -> str:
    """The SQL type of a column of texts; empty: text. COMMA: numbers with a comma in them."""
    tests = ", ".join(f"bool_and({test})" for _, test in _TYPES)
    query = (
        f"SELECT count(t), bool_and(regexp_full_match(t, '{_COMMA}')), {tests} FROM "  # noqa: S608
        f"(SELECT trim({column}) AS t FROM texts) WHERE lower(t) NOT IN {_WORDS}"
    )
    known, comma, *fits = session.sql(query).fetchall()[0]
    if not known:
        return ""
    return "COMMA" if comma else next((kind for (kind, _), fit in zip(_TYPES, fits, strict=True) if fit), "")


def _cast(column: str, kind: str) -> str:
    return f"CASE WHEN lower(trim({column})) NOT IN {_WORDS} THEN TRY_CAST(trim({column}) AS {kind}) END"


def _decimal_comma(session: duckdb.DuckDBPyConnection, path: Path, name: str) -> ConfigError:
    from pipelines.engines.sources import quoted

    query = f"SELECT {quoted(name)} FROM texts WHERE contains({quoted(name)}, ',') LIMIT 1"  # noqa: S608
    example = session.sql(query).fetchall()[0][0]
    return ConfigError(
        f"column {shorten(repr(name), 40)} has numbers with a comma, such as {shorten(repr(example), 40)}",
        where=short(path),
        remedy="write them with a point, as 1234.5 (in pandas: read_csv(decimal=',') and to_csv())",
    )

"""Parquet written with page checksums and read with verification; files from outside are looked at with suspicion."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

from pipelines.config.model import Validation
from pipelines.errors import DataError, IntegrityError, shorten
from pipelines.storage.files import atomic_file, short

if TYPE_CHECKING:
    import pyarrow as pa
    import pyarrow.parquet as pq

MAX_COLUMNS = 2000
BATCH_ROWS = 1 << 16
DELTA_BYTES = 1 << 30


@dataclass(frozen=True)
class ParquetFacts:
    """What a whole, verified file holds; `types` are Arrow's names for the columns' types, in order of the columns."""

    rows: int
    columns: tuple[str, ...]
    types: tuple[str, ...]
    bytes: int
    uncompressed_bytes: int


def write_table(path: Path, table: pa.Table, *, durable: bool = True, row_group_rows: int = 1 << 20) -> None:
    """Put `table` at `path` in one step, zstd compressed; the same table gives the same bytes."""
    import pyarrow.parquet as pq

    with atomic_file(path, durable=durable) as temporary:
        pq.write_table(table, temporary, compression="zstd", write_page_checksum=True, row_group_size=row_group_rows)


def read_table(path: Path, columns: Sequence[str] | None = None) -> pa.Table:
    """The table in `path`, or some of its columns, with every page's checksum verified.

    Raises:
        IntegrityError: the file is missing, damaged or lacks a column.
    """
    import pyarrow as pa
    import pyarrow.parquet as pq

    try:
        with pq.ParquetFile(path, page_checksum_verification=True) as file:
            _require(columns or (), file.schema_arrow.names, path)
            return file.read(columns=list(columns) if columns is not None else None)
    except (OSError, pa.ArrowException, UnicodeDecodeError) as error:
        raise IntegrityError(
            f"cannot be read: {_reason(error)}", where=short(path), remedy="pull it again from the ledger"
        ) from None


def inspect(path: Path, caps: Validation) -> ParquetFacts:
    """What the file at `path`, from outside, holds, every byte of it having been read and verified.

    Raises:
        DataError: empty, not parquet, damaged, over a cap of `caps`, or of a shape no table of ours may have.
    """
    return load(path, caps)[0]


def load(path: Path, caps: Validation) -> tuple[ParquetFacts, pa.Table]:
    """As `inspect`, with the table as well, so that the file is read once."""
    size = path.stat().st_size
    _check_size(path, size, caps)
    with _open(path) as file:
        _check_footer(file, path, caps)
        table = _read_capped(file, path, caps)
    _check_text(table, path)
    facts = ParquetFacts(
        rows=table.num_rows,
        columns=tuple(table.column_names),
        types=tuple(str(kind) for kind in table.schema.types),
        bytes=size,
        uncompressed_bytes=table.nbytes,
    )
    return facts, table


def check_bytes(size: int, caps: Validation, where: str) -> None:
    """Raises DataError when a file of `size` bytes is over the cap."""
    if size > caps.max_bytes:
        raise DataError(
            f"the file has {size} bytes, more than the cap of {caps.max_bytes}",
            where=where,
            remedy="deliver less, or raise validation.max_bytes",
        )


def _check_size(path: Path, size: int, caps: Validation) -> None:
    if size == 0:
        raise DataError("the file is empty (0 bytes)", where=short(path), remedy="deliver it again")
    check_bytes(size, caps, short(path))
    with path.open("rb") as file:
        head = file.read(4)
        file.seek(max(0, size - 4))
        tail = file.read(4)
    if head != b"PAR1":
        raise DataError(f"not parquet: it begins with {head!r}", where=short(path), remedy="deliver a parquet file")
    if tail != b"PAR1" or size < 12:
        raise DataError(
            f"truncated: its {size} bytes end without parquet's closing mark",
            where=short(path),
            remedy="deliver it again, whole",
        )


@contextmanager
def _open(path: Path) -> Iterator[pq.ParquetFile]:
    import pyarrow as pa
    import pyarrow.parquet as pq

    options = {"page_checksum_verification": True, "coerce_int96_timestamp_unit": "us"}
    try:
        with pq.ParquetFile(path, **options) as probe:
            text = _dictionary_columns(probe)
        # Text stays a dictionary until its decoded size is known: 23 kB can say a megabyte of text a million times.
        with pq.ParquetFile(path, read_dictionary=text, **options) as file:
            yield file
    except NotImplementedError as error:  # of what Arrow cannot read
        raise DataError(
            f"written in a way that cannot be read here: {_reason(error)}",
            where=short(path),
            remedy="write it with pyarrow's, DuckDB's or Spark's defaults",
        ) from None
    except (OSError, pa.ArrowException, UnicodeDecodeError, MemoryError) as error:
        raise DataError(
            f"damaged: {_reason(error)}", where=short(path), remedy="deliver it again; nothing of it was taken over"
        ) from None


def _dictionary_columns(file: pq.ParquetFile) -> list[str]:
    """Columns of text or bytes that can be read as dictionaries: all but those with delta-encoded pages."""
    delta = set(_delta_columns(file))
    return [column.name for column in file.schema_arrow if _is_text(column.type) and column.name not in delta]


def _delta_columns(file: pq.ParquetFile) -> dict[str, int]:
    """Columns of text or bytes with delta-encoded pages, and the bytes of their largest chunk."""
    texts = {column.name for column in file.schema_arrow if _is_text(column.type)}
    found: dict[str, int] = {}
    for group in range(file.metadata.num_row_groups):
        for place in range(file.metadata.num_columns):
            chunk = file.metadata.row_group(group).column(place)
            if chunk.path_in_schema in texts and any("DELTA" in name for name in chunk.encodings):
                size = max(found.get(chunk.path_in_schema, 0), chunk.total_uncompressed_size)
                found[chunk.path_in_schema] = size
    return found


def _is_text(kind: pa.DataType) -> bool:
    import pyarrow as pa

    is_a = pa.types
    texts = (is_a.is_string, is_a.is_large_string, is_a.is_string_view)
    return any(test(kind) for test in (*texts, is_a.is_binary, is_a.is_large_binary, is_a.is_binary_view))


def _check_footer(file: pq.ParquetFile, path: Path, caps: Validation) -> None:
    import pyarrow as pa

    schema, metadata = file.schema_arrow, file.metadata
    if len(schema.names) > MAX_COLUMNS:
        raise DataError(f"{len(schema.names)} columns, more than {MAX_COLUMNS}", where=short(path))
    twice = sorted({name for name in schema.names if schema.names.count(name) > 1})
    if twice:
        raise DataError(
            f"column {shorten(repr(twice[0]))} stands {schema.names.count(twice[0])} times",
            where=short(path),
            remedy="give every column a name of its own",
        )
    for field in schema:
        if pa.types.is_nested(field.type):
            raise DataError(
                f"column {shorten(repr(field.name))} is nested ({shorten(str(field.type))})",
                where=short(path),
                remedy="deliver plain columns: numbers, text, booleans, dates and times",
            )
    if metadata.num_rows > caps.max_rows:
        raise DataError(
            f"{metadata.num_rows} rows, more than the cap of {caps.max_rows}",
            where=short(path),
            remedy="deliver less, or raise validation.max_rows",
        )
    claimed = sum(metadata.row_group(group).total_byte_size for group in range(metadata.num_row_groups))
    _check_expanded(claimed, path, caps)


def _read_capped(file: pq.ParquetFile, path: Path, caps: Validation) -> pa.Table:
    """The whole table, read in batches so that a footer that lies is found out before memory is gone."""
    import pyarrow as pa

    _check_delta(file, path, caps)
    batches, rows, size = [], 0, 0
    for batch in file.iter_batches(batch_size=BATCH_ROWS):
        rows += batch.num_rows
        size += sum(_decoded_bytes(column) for column in batch.columns)
        _check_expanded(size, path, caps)
        batches.append(batch)
    if rows != file.metadata.num_rows:
        raise DataError(
            f"holds {rows} rows where its footer says {file.metadata.num_rows}",
            where=short(path),
            remedy="deliver it again",
        )
    plain = pa.schema(
        [field.with_type(_plain(field.type)) for field in file.schema_arrow], metadata=file.schema_arrow.metadata
    )
    return pa.Table.from_batches(batches, file.schema_arrow).cast(plain)


def _check_delta(file: pq.ParquetFile, path: Path, caps: Validation) -> None:
    """Delta-encoded text, in which a few bytes can repeat a long value, is decoded few rows at a time and counted."""
    import pyarrow.compute as pc

    for name, chunk in _delta_columns(file).items():
        # No value is longer than the chunk's bytes: what a batch decodes to is bounded before it is read.
        rows = max(1, min(BATCH_ROWS, DELTA_BYTES // max(chunk, 1)))
        size = 0
        for batch in file.iter_batches(batch_size=rows, columns=[name]):
            size += int(pc.sum(pc.binary_length(batch.column(0))).as_py() or 0)
            _check_expanded(size, path, caps)


def _decoded_bytes(column: pa.Array) -> int:
    import pyarrow as pa
    import pyarrow.compute as pc

    if not pa.types.is_dictionary(column.type) or not _is_text(column.type.value_type):
        return int(column.nbytes)
    lengths = pc.take(pc.binary_length(column.dictionary), column.indices)
    return int(pc.sum(pc.cast(lengths, pa.int64())).as_py() or 0) + 4 * len(column)


def _plain(kind: pa.DataType) -> pa.DataType:
    import pyarrow as pa

    return kind.value_type if pa.types.is_dictionary(kind) else kind


def _check_expanded(size: int, path: Path, caps: Validation) -> None:
    if size > caps.max_uncompressed_bytes:
        raise DataError(
            f"expands to {size} bytes or more, over the cap of {caps.max_uncompressed_bytes}",
            where=short(path),
            remedy="deliver less, or raise validation.max_uncompressed_bytes",
        )


def _check_text(table: pa.Table, path: Path) -> None:
    import pyarrow as pa

    for name, column in zip(table.column_names, table.columns, strict=True):
        try:
            column.validate(full=True)
        except pa.ArrowException as error:
            raise DataError(
                f"column {shorten(repr(name))}: {_reason(error)}", where=short(path), remedy="deliver UTF-8 text"
            ) from None


def _require(columns: Sequence[str], there: Sequence[str], path: Path) -> None:
    lacking = [name for name in columns if name not in set(there)]
    if lacking:
        raise IntegrityError(f"lacks column {shorten(', '.join(lacking))}", where=short(path))


def _reason(error: BaseException) -> str:
    return shorten(" ".join(str(error).split()) or type(error).__name__, 120)

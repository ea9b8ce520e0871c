"""A selection of rows of the feature table, read in Arrow batches with every page verified."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from datetime import date, datetime
from pathlib import Path
from typing import TYPE_CHECKING

from pipelines.errors import DataError, IntegrityError, shorten
from pipelines.storage.files import short

if TYPE_CHECKING:
    import pyarrow as pa
    import pyarrow.parquet as pq

# Large enough that per-batch costs vanish, small enough that a batch of 40 columns stays near 40 MB.
BATCH_ROWS = 250_000


@dataclass(frozen=True)
class Rows:
    """The rows of `first` to `last` (inclusive) below `folder`, in their total order.

    `labelled` leaves out rows whose label is null; `every` keeps one row in so many, for a search on a sample.
    """

    folder: Path
    first: date
    last: date
    labelled: bool = True
    every: int = 1

    def batches(self, columns: Sequence[str]) -> Iterator[pa.RecordBatch]:
        """The selection's `columns`, in the order asked for whatever the files' order; text comes as dictionaries.

        Raises:
            IntegrityError: a file is damaged, or lacks a column.
        """
        passed = 0
        for path in self._files():
            for batch in self._file(path, columns):
                if self.every > 1:
                    kept = batch.take(_every(batch.num_rows, passed, self.every))
                    passed += batch.num_rows
                    batch = kept  # noqa: PLW2901
                if batch.num_rows:
                    yield batch

    def nulls(self, columns: Sequence[str]) -> frozenset[str]:
        """Those of `columns` that are null in any row of these months' files, or may be: by what the files say of it.

        Raises:
            IntegrityError: a file is damaged.
        """
        import pyarrow as pa
        import pyarrow.parquet as pq

        found: set[str] = set()
        for path in self._files():
            try:
                metadata = pq.read_metadata(path)
            except (OSError, pa.ArrowException) as error:
                raise _damaged(path, error) from None
            places = {name: place for place, name in enumerate(metadata.schema.to_arrow_schema().names)}
            for name in set(columns) & set(places):
                chunks = (metadata.row_group(group).column(places[name]) for group in range(metadata.num_row_groups))
                if any(_may_be_null(chunk.statistics) for chunk in chunks):
                    found.add(name)
        return frozenset(found)

    def _files(self) -> list[Path]:
        months = (f"{self.first:%Y-%m}", f"{self.last:%Y-%m}")
        found = [path for path in sorted(self.folder.glob("*.parquet")) if months[0] <= path.stem <= months[1]]
        if not found:
            raise DataError(
                f"no rows from {self.first} to {self.last}",
                where=short(self.folder),
                remedy="choose another window, or ingest these days",
            )
        return found

    def _file(self, path: Path, columns: Sequence[str]) -> Iterator[pa.RecordBatch]:
        import pyarrow as pa
        import pyarrow.parquet as pq

        try:
            with pq.ParquetFile(path, page_checksum_verification=True) as file:
                text = _text_columns(file, columns)
            with pq.ParquetFile(path, page_checksum_verification=True, read_dictionary=text) as file:
                # The reader hands columns over in the file's order: they are put into ours by name.
                wanted = list(dict.fromkeys([*columns, "event_date", "label"]))
                _require(wanted, file.schema_arrow.names, path)
                groups = self._groups(file)
                for batch in file.iter_batches(batch_size=BATCH_ROWS, row_groups=groups, columns=wanted):
                    yield self._kept(batch).select(list(columns))
        except (OSError, pa.ArrowException) as error:
            raise _damaged(path, error) from None

    def _groups(self, file: pq.ParquetFile) -> list[int]:
        column = file.schema_arrow.names.index("event_date")
        groups = []
        for group in range(file.metadata.num_row_groups):
            statistics = file.metadata.row_group(group).column(column).statistics
            known = statistics is not None and statistics.has_min_max
            if not known or (_day(statistics.min) <= self.last and _day(statistics.max) >= self.first):
                groups.append(group)
        return groups

    def _kept(self, batch: pa.RecordBatch) -> pa.RecordBatch:
        import pyarrow as pa
        import pyarrow.compute as pc

        days = batch.column("event_date").cast(pa.date32())
        low, high = pa.scalar(self.first, pa.date32()), pa.scalar(self.last, pa.date32())
        mask = pc.and_(pc.greater_equal(days, low), pc.less_equal(days, high))
        if self.labelled:
            mask = pc.and_(mask, pc.is_valid(batch.column("label")))
        return batch if pc.all(mask).as_py() else batch.filter(mask)


def _may_be_null(statistics: pq.Statistics | None) -> bool:
    return statistics is None or not statistics.has_null_count or bool(statistics.null_count)


def _damaged(path: Path, error: Exception) -> IntegrityError:
    told = shorten(" ".join(str(error).split()), 120)
    return IntegrityError(f"cannot be read: {told}", where=short(path), remedy="pull it again from the ledger")


def _every(rows: int, passed: int, step: int) -> pa.Array:
    import numpy as np
    import pyarrow as pa

    return pa.array(np.arange(-passed % step, rows, step, dtype=np.int64))


def _text_columns(file: pq.ParquetFile, columns: Sequence[str]) -> list[str]:
    import pyarrow as pa

    kinds = (pa.types.is_string, pa.types.is_large_string)
    return [field.name for field in file.schema_arrow if field.name in columns and any(k(field.type) for k in kinds)]


def _require(columns: Sequence[str], there: Sequence[str], path: Path) -> None:
    missing = [name for name in columns if name not in set(there)]
    if missing:
        unexpected = [name for name in there if name not in {*columns, "row_id", "known_at"}]
        extra = f"; it has besides: {shorten(', '.join(unexpected), 60)}" if unexpected else ""
        raise IntegrityError(
            f"lacks column {shorten(', '.join(missing), 100)}{extra}",
            where=short(path),
            remedy="use the features.py and signature.json of the same run",
        )


def _day(value: date | datetime) -> date:
    return value.date() if isinstance(value, datetime) else value

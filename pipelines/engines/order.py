"""Bringing a stream of rows into the total order of `row_id`, month by month, in bounded memory.

DuckDB gives up the files' order at the first join. Letting it sort all rows doubles the time and the memory of ten
million; parting them by month as they come, and ordering a month at a time, costs a tenth.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from datetime import date
from pathlib import Path
from types import TracebackType
from typing import TYPE_CHECKING, Self

from pipelines.engines.sources import first_row_id

if TYPE_CHECKING:
    import pyarrow as pa

HELD_BYTES = 192 << 20


def by_month(
    batches: Iterable[pa.RecordBatch], months: Sequence[date], scratch: Path
) -> Iterator[tuple[date, pa.Table]]:
    """The rows of `batches` as one table a month, in order of month (its first day) and within it of `row_id`.

    All `batches` are read before the first month comes out; what does not fit into HELD_BYTES waits in files below
    `scratch`. A month without rows does not come; every row must be of one of `months`.
    """
    ordered = sorted(months)
    starts = [first_row_id(month) for month in ordered]
    with _Shelf(scratch) as shelf:
        for batch in batches:
            for number, piece in _pieces(batch, starts):
                shelf.put(ordered[number], piece)
        for month in ordered:
            if pieces := shelf.take(month):
                yield month, _ordered(pieces)


class _Shelf:
    """Record batches by month: in memory, and once they are too many, in one compressed Arrow file a month."""

    def __init__(self, scratch: Path) -> None:
        self._scratch = scratch
        self._held: dict[date, list[pa.RecordBatch]] = {}
        self._bytes = 0
        self._files: dict[date, pa.ipc.RecordBatchStreamWriter] = {}

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        for month, writer in self._files.items():
            writer.close()
            self._path(month).unlink(missing_ok=True)

    def put(self, month: date, piece: pa.RecordBatch) -> None:
        self._held.setdefault(month, []).append(piece)
        self._bytes += piece.nbytes
        if self._bytes > HELD_BYTES:
            self._spill()

    def take(self, month: date) -> list[pa.RecordBatch]:
        import pyarrow as pa

        pieces = self._held.pop(month, [])
        if month in self._files:
            self._files.pop(month).close()
            with pa.ipc.open_stream(self._path(month)) as reader:
                pieces = [*reader, *pieces]
            self._path(month).unlink()
        return pieces

    def _spill(self) -> None:
        import pyarrow as pa

        self._scratch.mkdir(parents=True, exist_ok=True)
        options = pa.ipc.IpcWriteOptions(compression="lz4")
        for month, pieces in self._held.items():
            if month not in self._files:
                self._files[month] = pa.ipc.new_stream(self._path(month), pieces[0].schema, options=options)
            for piece in pieces:
                self._files[month].write_batch(piece)
        self._held, self._bytes = {}, 0

    def _path(self, month: date) -> Path:
        return self._scratch / f"rows-{month:%Y-%m}.arrow"


def _pieces(batch: pa.RecordBatch, starts: list[int]) -> Iterator[tuple[int, pa.RecordBatch]]:
    """The parts of `batch` by number of month."""
    import numpy as np

    place = np.searchsorted(starts, batch["row_id"].to_numpy(), side="right") - 1
    numbers = np.unique(place)
    for number in numbers:
        yield int(number), batch if len(numbers) == 1 else batch.filter(place == number)


def _ordered(pieces: list[pa.RecordBatch]) -> pa.Table:
    """The pieces as one table; whole blocks are put in order where that is enough, else the rows are sorted."""
    import numpy as np
    import pyarrow as pa

    pieces = sorted((piece for piece in pieces if piece.num_rows), key=lambda piece: piece["row_id"][0].as_py())
    table = pa.Table.from_batches(pieces)
    row_ids = table["row_id"].to_numpy()
    return table if (np.diff(row_ids) > 0).all() else table.take(np.argsort(row_ids, kind="stable"))

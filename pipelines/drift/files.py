"""Profiles parquet files row group by row group, so that memory does not grow with the rows."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from functools import reduce
from pathlib import Path
from typing import TYPE_CHECKING

from pipelines.drift.grid import Grid, make_grid
from pipelines.drift.profile import Profile, merge, merge_all, profile
from pipelines.drift.thinning import thinned
from pipelines.errors import IntegrityError, shorten
from pipelines.storage.files import short

if TYPE_CHECKING:
    import pyarrow as pa
    import pyarrow.parquet as pq

# As many rows as a processor's cache holds a column of.
_BATCH_ROWS = 1 << 18
_GRID_ROWS = 200_000
_GRID_GROUPS = 20


def grid_of(files: Sequence[Path], columns: Sequence[str] | None = None) -> Grid:
    """The grid of the rows in `files`, from some row groups spread over all of them; raises as `profile_files`."""
    import pyarrow as pa

    groups = list(_groups(files))
    some = groups[:: -(-len(groups) // _GRID_GROUPS) or 1]
    wanted = _GRID_ROWS // max(1, len(some))
    tables = [thinned(next(_batches(path, group, columns, 4 * wanted)), wanted) for path, group in some]
    return make_grid(pa.concat_tables(tables, promote_options="permissive") if tables else pa.table({}))


def profile_files(
    files: Sequence[Path], grid: Grid, columns: Sequence[str] | None = None, *, threads: int = 2
) -> Profile:
    """The profile of the rows of all `files`, or of some of their columns.

    Raises:
        IntegrityError: a file cannot be read.
    """
    with ThreadPoolExecutor(threads) as pool:
        return merge_all(pool.map(lambda place: _profiled(place[0], place[1], grid, columns), _groups(files)))


def _profiled(path: Path, group: int, grid: Grid, columns: Sequence[str] | None) -> Profile:
    return reduce(merge, (profile(table, grid) for table in _batches(path, group, columns, _BATCH_ROWS)))


def _groups(files: Sequence[Path]) -> Iterator[tuple[Path, int]]:
    for path in files:
        with _opened(path) as file:
            yield from ((path, group) for group in range(file.num_row_groups))


def _batches(path: Path, group: int, columns: Sequence[str] | None, rows: int) -> Iterator[pa.Table]:
    import pyarrow as pa

    with _opened(path) as file:
        for batch in file.iter_batches(rows, row_groups=[group], columns=list(columns) if columns else None):
            yield pa.table(batch)


@contextmanager
def _opened(path: Path) -> Iterator[pq.ParquetFile]:
    import pyarrow as pa
    import pyarrow.parquet as pq

    try:
        schema = pq.read_schema(path)
        # Texts as codes: most of a file's texts are the same few.
        texts = [
            field.name for field in schema if pa.types.is_string(field.type) or pa.types.is_large_string(field.type)
        ]
        with pq.ParquetFile(path, read_dictionary=texts, page_checksum_verification=True) as file:
            yield file
    except (OSError, pa.ArrowException) as error:
        told = shorten(" ".join(str(error).split()))
        raise IntegrityError(f"cannot be read: {told}", where=short(path), remedy="fetch it again") from None

"""The types that the columns of each table settled in: those of new partitions are brought to them."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from typing import TYPE_CHECKING

from pipelines.config.settings import Settings
from pipelines.engines import kinds
from pipelines.ledger.data import Manifest, Partition, load_types
from pipelines.ledger.git import Ledger
from pipelines.ledger.store import Store
from pipelines.quality.conform import voted_types

if TYPE_CHECKING:
    import pyarrow as pa

VOTERS = 9


def settled_types(
    settings: Settings, ledger: Ledger, tables: Iterable[str], manifest: Manifest
) -> dict[str, dict[str, pa.DataType]]:
    """Table to the types of its columns, as the ledger has them.

    Of a table that was taken in before types were kept, those of most of its newest accepted partitions in `manifest`.

    Raises:
        PassingFault: the remote cannot be reached.
    """
    names = list(tables)
    found: dict[str, dict[str, pa.DataType]] = {}
    for table, columns in load_types(ledger, names).items():
        read = {name: kinds.from_text(text) for name, text in columns.items()}
        found[table] = {name: kind for name, kind in read.items() if kind is not None}
    for table in names:
        newest = [item for item in manifest if item.table == table and item.accepted][-VOTERS:]
        if table not in found and newest:
            found[table] = voted_types(_schemas(settings, ledger, newest))
    return found


def _schemas(settings: Settings, ledger: Ledger, partitions: list[Partition]) -> Iterator[pa.Schema]:
    import pyarrow.parquet as pq

    store = Store.open(settings, settings.workspaces / ledger.model / "data", scm=False)
    try:
        store.fetch(item.md5 for item in partitions)
        for item in partitions:
            yield pq.read_schema(store.cached(item.md5))
    finally:
        store.close()

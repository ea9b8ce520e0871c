"""The rows of one day as a version sees them: features from what was known before that day, beside their keys."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import date, timedelta
from pathlib import Path
from typing import TYPE_CHECKING

from pipelines.config.model import Role
from pipelines.config.names import STATIC
from pipelines.config.params import RunParams
from pipelines.config.settings import Settings
from pipelines.engines.sources import SourceFile
from pipelines.errors import DataError, IntegrityError
from pipelines.ledger.git import Ledger
from pipelines.ledger.manifest import Manifest, Partition, load_manifest
from pipelines.ledger.months import months_between
from pipelines.ledger.store import Store
from pipelines.night.version import Version
from pipelines.storage.files import sha256_file

if TYPE_CHECKING:
    import pyarrow as pa

KEY = "key."  # a key may be a feature as well: before its name in the table of features


@dataclass(frozen=True)
class Wanted:
    """The partitions behind a day's rows; `events` is the day's own."""

    events: Partition
    partitions: tuple[tuple[Partition, date | None], ...]


def wanted(ledger: Ledger, version: Version, day: date) -> Wanted:
    """What the features of `day` read: the days of the look-back, in their newest accepted revisions.

    Raises:
        DataError: the day's events are not in the ledger.
    """
    params, first = version.params, day - timedelta(days=version.history_days)
    manifest = load_manifest(ledger, months=[*months_between(first, day), STATIC])
    events = manifest.accepted(params.events, day.isoformat())
    if events is None:
        raise DataError(
            f"the events of {day} are not in the ledger", where=f"table {params.events}", remedy=f"ingest {day} first"
        )
    found = [pair for name in params.tables for pair in _accepted(manifest, params, name, first, day)]
    return Wanted(events, tuple(found))


def day_rows(settings: Settings, ledger: Ledger, version: Version, day: date, needed: Wanted) -> pa.Table:
    """`row_id`, the keys (`key.` before their names), `event_date` and the features of every event of `day`.

    In the order of the day's partition.

    Raises:
        IntegrityError: a partition's bytes are not what the ledger says.
        DataError, ConfigError: as the features of this day do.
        PassingFault: the remote cannot be reached.
    """
    from pipelines.engines.frame import open_frame
    from pipelines.engines.local import connect
    from pipelines.storage.parquet import read_table

    params = version.params
    files = verified(settings, ledger, needed.partitions)
    with connect(version.folder / "duckdb", threads=params.training.threads) as connection:
        frame = open_frame(connection, params, files, version.features_py, now=day, types=version.signature.tables)
        features = frame.table(day, day)
    own = next(file.path for file in files if file.table == params.events and file.day == day)
    for number, name in enumerate(params.tables[params.events].key):
        features = features.add_column(1 + number, f"{KEY}{name}", read_table(own, columns=[name])[name])
    return features.combine_chunks()


def verified(
    settings: Settings, ledger: Ledger, partitions: tuple[tuple[Partition, date | None], ...]
) -> list[SourceFile]:
    """The partitions' files in the cache, each with the sha256 that the manifest says; raises as `day_rows` does."""
    store = Store.open(settings, settings.workspaces / ledger.model / "data", scm=False)
    try:
        store.fetch(item.md5 for item, _ in partitions)
        return [_verified(item, when, store.cached(item.md5)) for item, when in partitions]
    finally:
        store.close()


def _accepted(
    manifest: Manifest, params: RunParams, table: str, first: date, last: date
) -> list[tuple[Partition, date | None]]:
    if params.tables[table].role is Role.STATIC:
        found = manifest.accepted(table, STATIC)
        return [(found, None)] if found else []
    days = [first + timedelta(days=number) for number in range((last - first).days + 1)]
    return [(item, day) for day in days if (item := manifest.accepted(table, day.isoformat()))]


def _verified(item: Partition, day: date | None, path: Path) -> SourceFile:
    found = sha256_file(path)
    if found != item.sha256:
        raise IntegrityError(
            f"its sha256 is {found[:16]}…, the manifest says {item.sha256[:16]}…",
            where=item.path,
            remedy="remove the object from the cache; it is fetched again",
        )
    return SourceFile(table=item.table, day=day, path=path, rows=item.rows)

"""The files that a check of a model reads: what was ingested, or, before the first ingest, the lake as it lies."""

from __future__ import annotations

from datetime import UTC, date, datetime, timedelta
from pathlib import Path

from pipelines.config.model import Model, Role, history_days
from pipelines.config.names import STATIC
from pipelines.config.settings import Settings
from pipelines.engines.sources import SourceFile
from pipelines.errors import DataError, InputError
from pipelines.ledger.git import Ledger
from pipelines.ledger.manifest import Manifest, Partition, load_manifest
from pipelines.ledger.store import Store
from pipelines.storage.lake import Source

Found = tuple[str, list[SourceFile], list[Partition]]


def newest_files(settings: Settings, name: str, model: Model, scratch: Path) -> Found:
    """Where the data was found (`ledger` or `lake`), and the files of the newest window that a retraining would read.

    Last come the partitions of the window (of all days where none is accepted) that the ledger holds in quarantine.
    What lies in no folder is copied below `scratch`.

    Raises:
        DataError: neither holds a day of events.
        IntegrityError: the ledger's bytes are not to be had.
    """
    try:
        ledger = Ledger.open(settings, name)
    except InputError:
        return "lake", _from_lake(settings, model, scratch), []
    manifest = load_manifest(ledger) if ledger.head("data") else Manifest()
    if not manifest.days(model.events):
        return "lake", _from_lake(settings, model, scratch), _quarantined(manifest)
    since = _window(model, manifest.days(model.events)[-1])[0]
    return "ledger", _from_ledger(settings, ledger, manifest, model), _quarantined(manifest, since)


def _quarantined(manifest: Manifest, since: date = date.min) -> list[Partition]:
    """The partitions, from the day `since` on, whose newest revision may not be read, in order of time."""
    newest = {(item.table, item.partition): item for item in manifest}
    refused = [item for item in newest.values() if not item.accepted and item.partition >= since.isoformat()]
    return sorted(refused, key=lambda item: (item.partition, item.table))


def _from_ledger(settings: Settings, ledger: Ledger, manifest: Manifest, model: Model) -> list[SourceFile]:
    days = _window(model, manifest.days(model.events)[-1])
    wanted: list[tuple[Partition, date | None]] = []
    for table, config in model.tables.items():
        asked = [None] if config.role is Role.STATIC else days
        found = [(manifest.accepted(table, day.isoformat() if day else STATIC), day) for day in asked]
        wanted += [(item, day) for item, day in found if item]
    store = Store.open(settings, settings.workspaces / ledger.model / "data", scm=False)
    try:
        store.fetch(item.md5 for item, _ in wanted)
        return [SourceFile(item.table, day, store.cached(item.md5), item.rows) for item, day in wanted]
    finally:
        store.close()


def _from_lake(settings: Settings, model: Model, scratch: Path) -> list[SourceFile]:
    source, events = Source(settings), model.tables[model.events]
    start, end = model.schedule.start, model.schedule.end or datetime.now(UTC).date()
    held = source.present(events, [day.isoformat() for day in _days(start, end)])
    if not held:
        raise DataError(
            "neither the ledger nor the lake holds a day of events",
            where=source.where(events, start.isoformat()),
            remedy="put partitions there, or set EVERGREEN_LAKE",
        )
    window = [day.isoformat() for day in _window(model, date.fromisoformat(max(held)))]
    files = []
    for table, config in model.tables.items():
        for name in source.present(config, [STATIC] if config.role is Role.STATIC else window):
            path = source.readable(config, name, scratch, model.validation.max_bytes)
            if path is not None:
                day = None if name == STATIC else date.fromisoformat(name)
                files.append(SourceFile(table, day, path, _rows(path)))
    return files


def _rows(path: Path) -> int:
    """The rows of a file; 0 where it cannot be read, which the judgement of its day will say."""
    import pyarrow as pa
    import pyarrow.parquet as pq

    try:
        return int(pq.read_metadata(path).num_rows)
    except (OSError, pa.ArrowException):
        return 0


def _window(model: Model, last: date) -> list[date]:
    """All days that a retraining as of `last` would look at."""
    window = model.window
    back = window.train_days + window.test_days + window.gap_days + history_days(window, model.label)
    first = max(model.schedule.start, last - timedelta(days=back))
    return _days(first, last)


def _days(first: date, last: date) -> list[date]:
    return [first + timedelta(days=number) for number in range((last - first).days + 1)]

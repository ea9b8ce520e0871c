"""Ingest: take days of source data into a model's ledger; what is wrong is quarantined with its reasons, by name."""

from __future__ import annotations

import shutil
import tempfile
import time
from collections.abc import Callable, Iterator, Sequence
from datetime import date, timedelta
from pathlib import Path

from pipelines.config import names
from pipelines.config.load import find_model, load_model
from pipelines.config.model import Model, Role
from pipelines.config.settings import Settings
from pipelines.drift.grid import Grid
from pipelines.errors import ConfigError, DataError
from pipelines.ledger.data import Arrival, Manifest, load_grids, load_manifest, publish
from pipelines.ledger.git import Ledger
from pipelines.ledger.months import months_between
from pipelines.ledger.suppression import Suppression
from pipelines.night.arrivals import HISTORY, Inspector
from pipelines.night.report import Fate, IngestReport, Outcome
from pipelines.night.settled import settled_types
from pipelines.quality.suite import Suite
from pipelines.storage.lake import Source

BATCH_DAYS = 60
STALE_SECONDS = 86_400


def ingest(
    settings: Settings, model_name: str, first: date, last: date, progress: Callable[[str], None]
) -> IngestReport:
    """Take in the static tables and every daily partition from `first` to `last` that is new or changed.

    Accepted bytes are kept as they came. The same bytes judged by the same expectations change nothing; other bytes of
    a known day become its next revision. A correction that is quarantined leaves the revision before it in use.

    Raises:
        ConfigError: the model folder or the range of days is wrong.
        DataError: the lake holds none of these days' partitions.
        PassingFault: lake, remote or ledger cannot be reached; what was published stays, repeating is safe.
    """
    started = time.monotonic()
    folder = find_model(settings.models, model_name)
    model = load_model(folder)
    days = days_of(model, first, last)
    source, suite = Source(settings), Suite.load(folder, model)
    _anything(source, model, days)
    ledger = Ledger.open(settings, model_name, create=True)
    outcomes: list[Outcome] = []
    months = _months(first, last)
    manifest = load_manifest(ledger, months=months)
    grids = {table: Grid.from_json(grid) for table, grid in load_grids(ledger, model.tables).items()}
    types = settled_types(settings, ledger, model.tables, manifest)
    for batch in _batches(model, days):
        with _scratch(settings) as copies:
            erased = Suppression.load(ledger)
            inspector = Inspector(model, suite, source, manifest, Path(copies), progress, grids, erased, types)
            arrivals = [arrival for table, wanted in batch for arrival in inspector.examine(table, wanted)]
            outcomes += inspector.outcomes
            if arrivals:
                progress(f"publishing {len(arrivals)} partitions")
                made = {table: grid.to_json() for table, grid in grids.items()}
                settled = {table: {name: str(kind) for name, kind in kinds.items()} for table, kinds in types.items()}
                message = _message(model_name, arrivals)
                publish(settings, ledger, arrivals, message, progress, made, erased.content, settled)
                manifest = load_manifest(ledger, months=months)
                outcomes += [_outcome(arrival, manifest) for arrival in arrivals]
    seconds = round(time.monotonic() - started, 2)
    return IngestReport(model_name, first, last, tuple(sorted(outcomes, key=_place)), ledger.head("data"), seconds)


def days_of(model: Model, first: date, last: date) -> list[str]:
    """The days from `first` to `last`, as partitions are named; raises ConfigError outside the model's schedule."""
    start, end = model.schedule.start, model.schedule.end or names.LATEST
    if first > last:
        raise ConfigError(f"{first} is after {last}", where="range of days", remedy="give the earlier day first")
    if first < start or last > end:
        raise ConfigError(
            f"{first} to {last} is outside the model's schedule {start} to {model.schedule.end or 'today'}",
            where="range of days",
            remedy="choose days inside it",
        )
    return [(first + timedelta(days=number)).isoformat() for number in range((last - first).days + 1)]


def _months(first: date, last: date) -> list[str]:
    """The months that partitions of these days are judged by: not all of history, or nights would grow with it."""
    span = timedelta(days=2 * HISTORY)
    return [*months_between(first - span, last + span), names.STATIC]


def _anything(source: Source, model: Model, days: Sequence[str]) -> None:
    """Raises DataError unless the lake has something for one of the days, before the ledger is touched."""
    daily = [table for table in model.tables.values() if table.role is not Role.STATIC]
    if not any(source.present(table, days) for table in daily):
        raise DataError(
            f"the lake holds no partition from {days[0]} to {days[-1]}; looked for {source.where(daily[0], days[0])}",
            where=source.lake,
            remedy="deliver it, or check EVERGREEN_LAKE and the uri in model.yaml",
        )


def _batches(model: Model, days: Sequence[str]) -> Iterator[list[tuple[str, Sequence[str]]]]:
    """Static tables first, then all daily tables some days at a time, so that a fault loses little work."""
    static = [(name, [names.STATIC]) for name, table in model.tables.items() if table.role is Role.STATIC]
    daily = [name for name, table in model.tables.items() if table.role is not Role.STATIC]
    for start in range(0, len(days), BATCH_DAYS):
        some = days[start : start + BATCH_DAYS]
        yield [*(static if start == 0 else []), *((name, some) for name in daily)]


def _scratch(settings: Settings) -> tempfile.TemporaryDirectory[str]:
    settings.workspaces.mkdir(parents=True, exist_ok=True)
    for left in settings.workspaces.glob(".ingest-*"):
        if time.time() - left.stat().st_mtime > STALE_SECONDS:  # its process was killed, or it would be gone
            shutil.rmtree(left, ignore_errors=True)
    return tempfile.TemporaryDirectory(prefix=".ingest-", dir=settings.workspaces)


def _message(model: str, arrivals: Sequence[Arrival]) -> str:
    partitions = sorted(arrival.partition.partition for arrival in arrivals)
    accepted = sum(arrival.partition.accepted for arrival in arrivals)
    bad = len(arrivals) - accepted
    return f"Ingest {model} {partitions[0]} to {partitions[-1]}: {accepted} accepted, {bad} quarantined"


def _outcome(arrival: Arrival, manifest: Manifest) -> Outcome:
    item = arrival.partition
    newest, in_use = manifest.latest(item.table, item.partition), manifest.accepted(item.table, item.partition)
    revision = newest.revision if newest else 0
    warnings = item.warnings
    if not item.accepted and in_use:
        warnings = (*warnings, f"revision {revision} is quarantined: revision {in_use.revision} stays in use")
    fate = Fate.ACCEPTED if item.accepted else Fate.QUARANTINED
    return Outcome(item.table, item.partition, fate, revision, item.rows, item.reasons, warnings)


def _place(outcome: Outcome) -> tuple[str, str]:
    return outcome.table, outcome.partition

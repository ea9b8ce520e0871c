"""The feature table of all days, built once: features are point in time, so every retraining may read the same one."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import date, timedelta
from pathlib import Path
from typing import TYPE_CHECKING, Any

from pipelines.config.model import Model, Role
from pipelines.config.names import STATIC
from pipelines.config.params import RunParams, Span
from pipelines.config.settings import Settings
from pipelines.errors import DataError
from pipelines.ledger.git import Ledger
from pipelines.ledger.manifest import Manifest, Partition, load_manifest
from pipelines.storage import files
from pipelines.storage.model_file import Feature

if TYPE_CHECKING:
    from pipelines.stages.context import Progress

# Raise it when what a table holds changes: older ones are then built again.
FORMAT = 1
KEY_LENGTH = 24


@dataclass(frozen=True)
class Table:
    """A feature table below `folder`, as the features stage writes it; `sha256` stands for what it was built from."""

    folder: Path
    sha256: str
    features: tuple[Feature, ...]
    first: date
    last: date


def table(settings: Settings, ledger: Ledger, model: Model, folder: Path, say: Progress) -> Table:
    """The feature table of all accepted days of the model in `folder`: kept from before, or built now.

    Raises:
        DataError: the ledger holds no events, or features that cannot be built from them.
        ConfigError: `features.py` is wrong.
        PassingFault: ledger or remote cannot be reached.
    """
    manifest = load_manifest(ledger)
    days = manifest.days(model.events)
    if not days:
        raise DataError("holds no events yet", where=f"the ledger of {ledger.model}", remedy="ingest some days first")
    source = folder / "features.py"
    partitions = _partitions(manifest, model)
    sha256 = _sha256(model, files.sha256_file(source), partitions)
    place = settings.home / "replay" / ledger.model / "tables" / sha256[:KEY_LENGTH]
    if not place.is_dir():
        say(f"building the features of {days[0]} to {days[-1]}, once")
        _build(settings, ledger, _params(ledger.model, model, days), partitions, source, place, say)
    document = files.read_json(place / "schema.json")
    features = tuple(Feature.model_validate(item) for item in document["features"])
    return Table(place / "data", sha256, features, days[0], days[-1])


def _partitions(manifest: Manifest, model: Model) -> list[tuple[Partition, date | None]]:
    found: list[tuple[Partition, date | None]] = []
    for name, item in model.tables.items():
        if item.role is Role.STATIC:
            static = manifest.accepted(name, STATIC)
            found += [(static, None)] if static else []
        else:
            pairs = ((manifest.accepted(name, day.isoformat()), day) for day in manifest.days(name))
            found += [(partition, day) for partition, day in pairs if partition]
    return found


def _sha256(model: Model, source: str, partitions: Sequence[tuple[Partition, date | None]]) -> str:
    made_of = {
        "format": FORMAT,
        "features": source,
        "model": model.model_dump(mode="json", include={"task", "tables", "label"}),
        "partitions": [(item.table, str(day), item.sha256) for item, day in partitions],
    }
    return files.sha256_bytes(files.json_bytes(made_of))


def _params(name: str, model: Model, days: Sequence[date]) -> RunParams:
    """The parameters of a run over all days; only its tables, label and days count."""
    first, last = days[0], days[-1]
    span = Span(
        as_of=last,
        first=first,
        train_start=first,
        train_end=last,
        validation_start=last,
        test_start=last,
        test_end=last,
        min_rows=1,
    )
    return RunParams(span=span, model=name, **_parts(model))


def _parts(model: Model) -> dict[str, Any]:
    names = ("task", "tables", "label", "validation", "training", "evaluation", "gates")
    return {name: getattr(model, name) for name in names}


def _build(
    settings: Settings,
    ledger: Ledger,
    params: RunParams,
    partitions: Sequence[tuple[Partition, date | None]],
    source: Path,
    place: Path,
    say: Progress,
) -> None:
    from pipelines.engines.frame import open_frame
    from pipelines.engines.local import connect
    from pipelines.night.rows import verified
    from pipelines.stages.features import schema_document, write_months

    sources = verified(settings, ledger, tuple(partitions))
    now = params.span.test_end + timedelta(days=1)
    with (
        files.atomic_folder(place) as out,
        connect(out / "duckdb", threads=params.training.threads) as connection,
    ):
        frame = open_frame(connection, params, sources, source, now=now)
        rows, digest = write_months(frame, out / "data", say)
        files.write_json(out / "schema.json", schema_document(frame, files.sha256_file(source), rows, digest))

"""`evergreen predict`: the champion scores one day's rows from what was known before that day."""

from __future__ import annotations

import tempfile
from dataclasses import asdict, dataclass
from datetime import date, timedelta
from pathlib import Path
from typing import TYPE_CHECKING, Any

from pipelines.config.model import Role, Task
from pipelines.config.names import STATIC
from pipelines.config.params import RunParams
from pipelines.config.settings import Settings
from pipelines.engines.sources import SourceFile
from pipelines.errors import DataError, InputError, IntegrityError
from pipelines.ledger import champion as champions
from pipelines.ledger.git import Ledger
from pipelines.ledger.manifest import Manifest, Partition, load_manifest
from pipelines.ledger.outs import fetch_files
from pipelines.ledger.store import Store
from pipelines.ledger.workspace import CHAMPION_FILES
from pipelines.runs.stage import params_of
from pipelines.stages.context import Progress
from pipelines.storage.files import sha256_file

if TYPE_CHECKING:
    import pyarrow as pa

    from pipelines.storage.model_file import Signature


@dataclass(frozen=True)
class Predicted:
    """What was scored, by which version, and where the scores are."""

    model: str
    version: int
    run: str
    day: date
    rows: int
    mean: float
    file: str

    def to_json(self) -> dict[str, Any]:
        """For machines."""
        return asdict(self)

    def render(self) -> str:
        """For a person."""
        return (
            f"{self.model}: version {self.version} scored {self.rows:,} rows of {self.day}, "
            f"mean {self.mean:.4f}\n  {self.file}"
        )


def predict(settings: Settings, model: str, day: date, out: Path | None, say: Progress) -> Predicted:
    """Score the events of `day` with the champion of `model`, and write keys, scores, version and run as parquet.

    Raises:
        InputError: there is no champion yet.
        DataError: the day's events are not in the ledger.
        IntegrityError: the champion's or a partition's bytes are not what the ledger says; or predictions go to S3, and
            others by this version stand there already.
        PassingFault: ledger, remote or S3 cannot be reached.
    """
    ledger = Ledger.open(settings, model)
    standing = champions.current(ledger)
    if standing is None:
        raise InputError("there is no champion yet", where=model, remedy=f"`evergreen run {model}` makes the first one")
    settings.workspaces.mkdir(parents=True, exist_ok=True)
    with tempfile.TemporaryDirectory(prefix=".predict-", dir=settings.workspaces) as scratch:
        folder = Path(scratch)
        wanted = {path: folder / name for path, name in CHAMPION_FILES.items()}
        fetch_files(settings, ledger, standing.tag, wanted)
        files = _files(settings, ledger, params_of(folder), day)
        say(f"scoring {day} with version {standing.version}, {len(files)} partitions behind it")
        scored = _score(folder, files, day, standing)
        name = f"{model}/date={day}/version-{standing.version}.parquet"
        target = str(out) if out else f"{settings.predictions.rstrip('/')}/{name}"
        _write(settings, scored, target, folder / "scored.parquet")
    first = next(name for name in scored.column_names if name.startswith("score"))
    mean = float(scored[first].to_numpy().mean()) if len(scored) else 0.0
    return Predicted(model, standing.version, standing.run, day, len(scored), mean, target)


def _write(settings: Settings, scored: pa.Table, target: str, scratch: Path) -> None:
    """On S3 once: the same rows again change nothing, others are refused."""
    from pipelines.storage.parquet import write_table
    from pipelines.storage.s3 import S3, S3Place, is_s3
    from pipelines.storage.s3_write import put_new

    if not is_s3(target):
        write_table(Path(target), scored)
        return
    write_table(scratch, scored)
    put_new(S3.open(settings), S3Place.parse(target, "EVERGREEN_PREDICTIONS"), scratch)


def _files(settings: Settings, ledger: Ledger, params: RunParams, day: date) -> list[SourceFile]:
    """The accepted partitions that the features of `day` read, in the cache and verified."""
    manifest = load_manifest(ledger)
    first = day - (params.span.train_start - params.span.first)
    wanted = [(item, when) for name in params.tables for item, when in _accepted(manifest, params, name, first, day)]
    if not any(item.table == params.events and when == day for item, when in wanted):
        raise DataError(
            f"the events of {day} are not in the ledger", where=f"table {params.events}", remedy=f"ingest {day} first"
        )
    store = Store.open(settings, settings.workspaces / ledger.model / "data", scm=False)
    try:
        store.fetch(item.md5 for item, _ in wanted)
        return [_verified(item, when, store.cached(item.md5)) for item, when in wanted]
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


def _score(folder: Path, files: list[SourceFile], day: date, standing: champions.Champion) -> pa.Table:
    from pipelines.engines.frame import open_frame
    from pipelines.engines.local import connect
    from pipelines.engines.matrix import predict as scores_of
    from pipelines.storage.model_file import Signature, verify_and_load

    params = params_of(folder)
    signature = Signature.read(folder / "signature.json")
    booster = verify_and_load(folder / "model.json", standing.model_sha256, signature)
    with connect(folder / "duckdb", threads=params.training.threads) as connection:
        frame = open_frame(connection, params, files, folder / "features.py", now=day)
        table = frame.table(day, day)
    found = scores_of(booster, signature, table.to_batches())
    events = next(file for file in files if file.table == params.events and file.day == day)
    return _output(params, signature, events, found, standing)


def _output(
    params: RunParams, signature: Signature, events: SourceFile, found: Any, standing: champions.Champion
) -> pa.Table:
    """Keys in the order of the partition, which is the order of row ids, beside their scores."""
    import pyarrow as pa

    from pipelines.storage.parquet import read_table

    keys = read_table(events.path, columns=list(params.tables[params.events].key))
    if params.task is Task.MULTICLASS:
        scores = {f"score_{name}": pa.array(found[:, place]) for place, name in enumerate(signature.classes)}
    else:
        scores = {"score": pa.array(found)}
    stamp = {
        "event_date": pa.array([events.day] * len(keys), pa.date32()),
        "model_version": pa.array([standing.version] * len(keys), pa.int32()),
        "run": pa.array([standing.run] * len(keys)),
    }
    columns = {name: keys[name] for name in keys.column_names}
    return pa.table(columns | scores | stamp)

"""Where a day's predictions and feature rows lie: `<model>/date=D/`, each file written once."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import date, datetime
from pathlib import Path
from typing import TYPE_CHECKING, Any, Self

from pipelines.config.model import Task
from pipelines.config.settings import Settings
from pipelines.errors import IntegrityError
from pipelines.night.rows import KEY
from pipelines.night.version import Version
from pipelines.storage.files import sha256_file
from pipelines.storage.once import Once

if TYPE_CHECKING:
    import pyarrow as pa
    from numpy.typing import NDArray


@dataclass(frozen=True)
class Kept:
    """A file that is there: its whole name, its sha256, its table, and whether this call put it."""

    place: str
    sha256: str
    table: pa.Table
    new: bool


@dataclass(frozen=True)
class Predictions:
    """The files of one model and day; `scratch` takes copies."""

    once: Once
    folder: str
    scratch: Path

    @classmethod
    def open(cls, settings: Settings, model: str, day: date, scratch: Path) -> Self:
        """Those of `model` and `day`."""
        scratch.mkdir(parents=True, exist_ok=True)
        return cls(Once(settings, settings.predictions, "EVERGREEN_PREDICTIONS"), f"{model}/date={day}", scratch)

    def read(self, name: str, sha256: str | None = None) -> Kept | None:
        """The file `name`; None: there is none.

        Raises:
            IntegrityError: it cannot be read, or `sha256` is given and is not its own.
            PassingFault: S3 cannot be reached.
        """
        from pipelines.storage.parquet import read_table

        path = self.once.bring(f"{self.folder}/{name}", self.scratch)
        if path is None:
            return None
        place, found = self.once.where(f"{self.folder}/{name}"), sha256_file(path)
        if sha256 not in (None, found):
            raise IntegrityError(
                f"holds other bytes already: {found[:12]}…, the ledger says {str(sha256)[:12]}…",
                where=place,
                remedy="it is kept; see who wrote it, then put the recorded bytes back or take it away",
            )
        try:
            return Kept(place, found, read_table(path), new=False)
        except IntegrityError as error:
            raise IntegrityError(error.what, where=place, remedy="it is kept; see who wrote it") from None

    def keep(self, name: str, table: pa.Table) -> Kept:
        """Put `table` at `name`; where something stands there, that is what comes back. Raises as `read` does."""
        from pipelines.storage.parquet import write_table

        draft = self.scratch / f"draft-{name}"
        write_table(draft, table, durable=False)
        if self.once.keep(f"{self.folder}/{name}", draft):
            return Kept(self.once.where(f"{self.folder}/{name}"), sha256_file(draft), table, new=True)
        there = self.read(name)
        if there is None:
            raise IntegrityError("is gone again", where=self.once.where(f"{self.folder}/{name}"))
        return there


def version_name(version: int) -> str:
    """The file of a version's scores."""
    return f"version-{version}.parquet"


def features_name(key: str) -> str:
    """The file of the day's rows as the feature table with this key has them."""
    return f"features-{key}.parquet"


def stamped(version: Version, rows: pa.Table, scores: NDArray[Any], now: datetime) -> pa.Table:
    """Keys in the order of the partition, scores beside them, and on every row who made them, from what and when."""
    import pyarrow as pa

    keys = {name.removeprefix(KEY): rows[name] for name in rows.column_names if name.startswith(KEY)}
    count = rows.num_rows
    stamp = {
        "event_date": rows["event_date"],
        "model_version": pa.array([version.named.version] * count, pa.int32()),
        "run": pa.array([version.named.run] * count, pa.string()),
        "features_sha256": pa.array([version.signature.features_sha256] * count, pa.string()),
        "scored_at": pa.array([now] * count, pa.timestamp("us", tz="UTC")),
    }
    return pa.table(keys | named_scores(version, scores) | stamp)


def named_scores(version: Version, scores: NDArray[Any]) -> dict[str, pa.Array]:
    """Scores (n,) or (n, k) as columns: `score`, or `score_<class>` for each class."""
    import pyarrow as pa

    if version.params.task is Task.MULTICLASS:
        return {f"score_{name}": pa.array(scores[:, k]) for k, name in enumerate(version.signature.classes)}
    return {"score": pa.array(scores)}


def scores_of(table: pa.Table) -> NDArray[Any]:
    """The scores in a table of predictions, float32: (n,), or (n, k) in the order of the model's classes."""
    import numpy as np

    columns = [table[name].to_numpy() for name in score_columns(table)]
    return columns[0] if table.column_names.count("score") else np.column_stack(columns)


def score_columns(table: pa.Table) -> list[str]:
    """The names of its score columns: `score`, or `score_<class>` for each class."""
    names = list(table.column_names)
    return ["score"] if "score" in names else [name for name in names if name.startswith("score_")]

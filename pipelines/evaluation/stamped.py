"""What the champion said of the test days in their nights, as the run holds it: put beside the rows of this run."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import date
from pathlib import Path
from typing import TYPE_CHECKING, Any, Self

from pydantic import BaseModel, ConfigDict, ValidationError

from pipelines.config.model import Task
from pipelines.engines.sources import DAY_ROWS, EPOCH
from pipelines.errors import IntegrityError, shorten
from pipelines.evaluation.champion import FOLDER, Champion
from pipelines.evaluation.metrics import rounded
from pipelines.evaluation.scoring import Scored
from pipelines.storage import files
from pipelines.storage.parquet import read_table

if TYPE_CHECKING:
    from numpy.typing import NDArray

NOTE, SCORES = "stamped.json", "stamped.parquet"
_REMEDY = "begin a new run"


class StampedDay(BaseModel):
    """The file of a night: where it lay, its sha256 and rows, by which features.py.

    `events_sha256` is of the newest partition known to hold the rows it was made of, in their order.
    """

    model_config = ConfigDict(extra="forbid", frozen=True)

    file: str
    sha256: str
    rows: int
    features_sha256: str
    events_sha256: str


class _Note(BaseModel):
    model_config = ConfigDict(extra="forbid", frozen=True)

    version: int
    run: str
    md5: str
    sha256: str
    days: dict[date, StampedDay]


@dataclass(frozen=True)
class Sources:
    """Where the champion's scores come from: days as it stamped them, and days on which it was asked again.

    `apart` is the largest distance of the two on rows where both are known; None: nowhere.
    """

    stamped_days: int = 0
    rescored_days: int = 0
    apart: float | None = None

    @classmethod
    def of(cls, day: NDArray[Any], said: NDArray[Any], apart: float | None) -> Self:
        """Of rows' days (n,), and which of them have stamped scores (n,)."""
        import numpy as np

        return cls(len(np.unique(day[said])), len(np.unique(day[~said])), rounded(apart))


@dataclass(frozen=True)
class Stamped:
    """m scores by rising `row_id` (m,): (m,) or (m, k), classes in the champion's order."""

    row_id: NDArray[Any]
    scores: NDArray[Any]

    def of(self, rows: Scored) -> tuple[NDArray[Any], NDArray[Any]]:
        """Which rows of `rows` (n,) are on days with a score for every row of theirs, and the scores of those rows."""
        import numpy as np

        places = np.searchsorted(self.row_id, rows.row_id)
        there = np.append(self.row_id, -1)[places] == rows.row_id
        there &= ~np.isin(rows.day, rows.day[~there])
        return there, self.scores[places[there]]


def load(root: Path, champion: Champion, events: str) -> Stamped:
    """The champion's stamped scores in the run at `root`, whose table of events is `events`; there may be none.

    Only of days whose partition holds the very rows that the night scored, and by the champion's own features.py.

    Raises:
        IntegrityError: the scores are missing, or are not those that stamped.json names.
    """
    import numpy as np

    note = _note(root / FOLDER / NOTE)
    if note is None or (note.version, note.run) != (champion.version, champion.run):
        return Stamped(np.empty(0, np.int64), np.empty(0, np.float32))
    row_id, scores = _scores(root / FOLDER / SCORES, note, champion)
    there = _partitions(root, events)
    usable = [day for day, said in note.days.items() if _fits(said, champion, there.get(day))]
    wanted = np.isin(row_id // DAY_ROWS, [(day - EPOCH).days for day in usable])
    return Stamped(row_id[wanted], scores[wanted])


def _note(path: Path) -> _Note | None:
    # Runs begun before champions were judged by what they had said have no such file.
    named = files.read_json(path)["stamped"] if path.is_file() else None
    try:
        return None if named is None else _Note.model_validate_json(files.json_bytes(named))
    except ValidationError as error:
        raise IntegrityError(
            f"is not what opening a run writes: {shorten(' '.join(str(error).split()), 120)}",
            where=files.short(path),
            remedy=_REMEDY,
        ) from None


def _scores(path: Path, note: _Note, champion: Champion) -> tuple[NDArray[Any], NDArray[Any]]:
    import numpy as np

    if not path.is_file():
        raise IntegrityError("is missing", where=files.short(path), remedy="fetch it again from the remote")
    found = files.sha256_file(path)
    if found != note.sha256:
        raise IntegrityError(
            f"its sha256 is {found[:16]}…, {NOTE} says {note.sha256[:16]}…",
            where=files.short(path),
            remedy="remove it from the cache; it is fetched again",
        )
    several = champion.signature.task is Task.MULTICLASS
    names = [f"score_{name}" for name in champion.signature.classes] if several else ["score"]
    table = read_table(path, ["row_id", *names])
    columns = [table[name].to_numpy().astype(np.float32) for name in names]
    return table["row_id"].to_numpy(), np.column_stack(columns) if several else columns[0]


def _partitions(root: Path, events: str) -> dict[date, tuple[str, int]]:
    """Day to sha256 and rows of the run's partitions of the table `events`."""
    listed = files.read_json(root / "out" / "validate" / "accepted.json")["partitions"]
    return {
        date.fromisoformat(item["partition"]): (item["sha256"], item["rows"])
        for item in listed
        if item["table"] == events
    }


def _fits(said: StampedDay, champion: Champion, partition: tuple[str, int] | None) -> bool:
    """Whether the night scored these very rows: an erasure takes rows out of its file first, then of the partition."""
    same = partition == (said.events_sha256, said.rows)
    return same and said.features_sha256 == champion.signature.features_sha256

"""`evergreen predict`: the champion's scores of one day, as the night writes them, or anew into a file of one's own."""

from __future__ import annotations

from dataclasses import asdict, dataclass
from datetime import UTC, date, datetime
from pathlib import Path
from typing import Any

from pipelines.config.settings import Settings
from pipelines.errors import InputError
from pipelines.ledger import champion as champions
from pipelines.ledger.champion import Champion
from pipelines.ledger.git import Ledger
from pipelines.night.predictions import score_columns, stamped
from pipelines.night.rows import day_rows, wanted
from pipelines.night.score import score
from pipelines.night.scratch import scratch_folder
from pipelines.night.version import Named, Version
from pipelines.stages.context import Progress
from pipelines.storage.parquet import write_table


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
    """Score the events of `day` with the champion of `model`: keys, scores, version and run as parquet.

    Without `out`, as the night does: written once, and what was written before comes back. With it, computed anew into
    that file, of which nothing is recorded.

    Raises:
        InputError: there is no champion yet.
        DataError: the day's events are not in the ledger.
        IntegrityError: the champion's, a partition's or an earlier prediction's bytes are not what the ledger says.
        PassingFault: ledger, remote or S3 cannot be reached.
    """
    ledger = Ledger.open(settings, model)
    standing = champions.current(ledger)
    if standing is None:
        raise InputError("there is no champion yet", where=model, remedy=f"`evergreen run {model}` makes the first one")
    if out is not None:
        return _anew(settings, ledger, standing, day, out, say)
    done = score(settings, model, day, say, by=standing).champion
    return Predicted(model, done.version, done.run, day, done.rows, done.mean, done.file)


def _anew(settings: Settings, ledger: Ledger, standing: Champion, day: date, out: Path, say: Progress) -> Predicted:
    with scratch_folder(settings, "predict") as scratch:
        version = Version.bring(settings, ledger, Named.champion(standing), scratch)
        say(f"scoring {day} with version {standing.version}")
        rows = day_rows(settings, ledger, version, day, wanted(ledger, version, day))
        table = stamped(version, rows, version.scores(rows.to_batches()), datetime.now(UTC))
        write_table(out, table)
    scores = table[score_columns(table)[0]].to_numpy()
    mean = float(scores.mean(dtype="float64")) if len(scores) else 0.0
    return Predicted(ledger.model, standing.version, standing.run, day, len(table), mean, str(out))

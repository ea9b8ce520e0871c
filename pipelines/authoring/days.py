"""The proof that `evergreen check` asks of the data: what an ingest makes, or has made, of the newest days."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from contextlib import suppress
from datetime import date
from typing import TYPE_CHECKING

from pipelines.authoring.check import Finding, Level, Subject
from pipelines.authoring.trial import Trial, judged, miscounted
from pipelines.errors import DataError, shorten

if TYPE_CHECKING:
    import pyarrow as pa

    from pipelines.engines.sources import SourceFile
    from pipelines.quality.suite import Suite

TITLE = "days"


def accepted(subject: Subject) -> list[Finding]:
    """Every table's newest partitions are judged as an ingest judges them; those quarantined already are told."""
    from pipelines.quality.suite import Suite

    suite = Suite.load(subject.folder, subject.model)
    trials = {table: _trial(subject, suite, table) for table in subject.model.tables}
    found = [
        Finding(TITLE, _level(subject, trial), f"{table}: {trial.sentence}")
        for table, trial in trials.items()
        if trial.quarantined
    ]
    if subject.quarantined:
        found.append(_told(subject))
    judged_all = sum(trial.judged for trial in trials.values())
    return found or [Finding(TITLE, Level.OK, f"each of {judged_all:,} partitions passes its checks and expectations")]


def _trial(subject: Subject, suite: Suite, table: str) -> Trial:
    from pipelines.quality.conform import voted_types

    files = [file for file in subject.files if file.table == table]
    unreadable: dict[date, str] = {}
    parts = _parts(subject, files, unreadable)
    types = voted_types(_schemas(files))
    reasons = dict(judged(suite, subject.model, table, parts, len(files), lambda _: None, types))
    bad = {day: said[0] for day, said in reasons.items() if said} | unreadable
    days = [(file.day, 0, file.rows) for file in files if file.day and file.day not in bad]
    return Trial(len(files), tuple(sorted((bad | dict(miscounted(days, subject.model))).items())))


def _parts(
    subject: Subject, files: Sequence[SourceFile], unreadable: dict[date, str]
) -> Iterator[tuple[date | None, pa.Table]]:
    """The days with their rows; those whose files cannot be read go into `unreadable`."""
    from pipelines.storage.parquet import load

    for file in files:
        try:
            data = load(file.path, subject.model.validation)[1]
        except DataError as error:
            unreadable[file.day or date.min] = error.what
        else:
            yield file.day, data


def _schemas(files: Sequence[SourceFile]) -> Iterator[pa.Schema]:
    """The files' schemas, as far as they can be read: of the others the judgement will speak."""
    import pyarrow as pa
    import pyarrow.parquet as pq

    for file in files:
        with suppress(OSError, pa.ArrowException):
            yield pq.read_schema(file.path)


def _level(subject: Subject, trial: Trial) -> Level:
    """A few bad days are what quarantine is for; with more of them missing no model could be trained."""
    bearable = subject.model.validation.max_missing_share * trial.judged
    return Level.WARNING if len(trial.quarantined) <= bearable else Level.ERROR


def _told(subject: Subject) -> Finding:
    newest = subject.quarantined[-1]
    count = len(subject.quarantined)
    reason = shorten(newest.reasons[0], 160) if newest.reasons else "no reason is kept"
    which = f"{newest.table} {newest.partition}"
    many = f"{count:,} partitions are quarantined in the ledger, the newest of them {which}"
    said = many if count > 1 else f"{which} is quarantined in the ledger"
    return Finding(TITLE, Level.WARNING, f"{said}: {reason}; ingest again what has been mended")

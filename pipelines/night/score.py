"""Scoring: what the champion expects of each row of a day, from what was known before that day; written once."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import UTC, date, datetime
from pathlib import Path
from typing import TYPE_CHECKING, Any

from pipelines.config.settings import Settings
from pipelines.drift.profile import profile
from pipelines.errors import EvergreenError, IntegrityError, NothingToDo, shorten
from pipelines.ledger import nights
from pipelines.ledger.champion import Champion
from pipelines.ledger.git import Ledger
from pipelines.ledger.manifest import Partition
from pipelines.night import rows
from pipelines.night.grids import Grids, features_kind
from pipelines.night.learn import learn
from pipelines.night.predictions import (
    Kept,
    Predictions,
    features_name,
    score_columns,
    scores_of,
    stamped,
    version_name,
)
from pipelines.night.scored import Scored, VersionScored
from pipelines.night.scratch import scratch_folder
from pipelines.night.shadow import shadow_of
from pipelines.night.standing import champion_of
from pipelines.night.version import Named, Version
from pipelines.stages.context import Progress

if TYPE_CHECKING:
    import pyarrow as pa

KIND = "scores"


def score(
    settings: Settings,
    model: str,
    day: date,
    say: Progress,
    *,
    shadow: str = "off",
    by: Champion | None = None,
    now: datetime | None = None,
) -> Scored:
    """Score the events of `day` with the champion, and in the `shadow` modes `previous` and `challenger` another too.

    The champion is the one of that night, unless the caller names another (`by`).

    A version that has scored the day before is not asked again: its file is what was known then, whatever has been
    corrected since. The champion's scores do not wait for a shadow's: what goes wrong there becomes a note.

    Raises:
        NothingToDo: there is no champion, or none that has not learnt from that day.
        DataError: the day's events are not in the ledger.
        IntegrityError: a version's, a partition's or an earlier prediction's bytes are not what the ledger says.
        PassingFault: ledger, remote or predictions cannot be reached; repeating it is safe.
    """
    ledger = Ledger.open(settings, model)
    standing = by or champion_of(ledger, day)
    if standing is None:
        raise NothingToDo(
            "there is no champion yet", where=model, remedy=f"`evergreen run {model}` makes the first one"
        )
    with scratch_folder(settings, "score") as scratch:
        scoring = _Scoring(settings, ledger, day, scratch, say, now or datetime.now(UTC))
        found, notes = [scoring.version(Named.champion(standing))], list[str]()
        try:
            beside = shadow_of(settings, ledger, standing, shadow)
            found += [scoring.version(beside)] if beside else []
        except EvergreenError as error:
            notes.append(f"no shadow: {error.line()}")
            say(notes[0])
        scoring.record()
    return Scored(model, day, tuple(found), tuple(notes))


@dataclass
class _Scoring:
    """One day's scoring: what is known of it, and what is new, to be recorded in one commit."""

    settings: Settings
    ledger: Ledger
    day: date
    scratch: Path
    say: Progress
    now: datetime
    entries: dict[str, dict[str, Any]] = field(default_factory=dict)
    profiles: dict[tuple[str, date], Any] = field(default_factory=dict)
    champion: pa.Table | None = None

    def version(self, named: Named) -> VersionScored:
        """What this version says, now or as it said before."""
        files = Predictions.open(self.settings, self.ledger.model, self.day, self.scratch / str(named.version))
        known = nights.days(self.ledger, KIND, self.day, self.day).get(self.day, {}).get(str(named.version))
        kept = files.read(version_name(named.version), known and known["sha256"])
        if known and kept:
            done = _known(named, known)
        else:
            kept, done = self._score(named, files)
        self.champion = self.champion or kept.table
        return done

    def record(self) -> None:
        """Tell the branch `nights` what is new."""
        if not self.entries:
            return
        versions = ", ".join(self.entries)
        changes = {(KIND, self.day): self.entries, **self.profiles}
        nights.write(self.ledger, changes, f"Score {self.ledger.model} {self.day}: version {versions}")

    def _score(self, named: Named, files: Predictions) -> tuple[Kept, VersionScored]:
        version = Version.bring(self.settings, self.ledger, named, self.scratch / f"version-{named.version}")
        learn(self.settings, self.ledger, version, self.say)
        features, events = self._rows(version, files)
        self.say(f"scoring {len(features):,} rows of {self.day} with version {named.version}")
        scores = version.scores(features.to_batches())
        kept = files.keep(version_name(named.version), stamped(version, features, scores, self.now))
        _check_stamp(kept, named)
        entry = self._entry(version, kept, events)
        self.entries[str(named.version)] = entry
        return kept, _known(named, entry, new=True)

    def _rows(self, version: Version, files: Predictions) -> tuple[pa.Table, Partition]:
        """The day's feature rows: those that another version of these features was given, else built now."""
        needed = rows.wanted(self.ledger, version, self.day)
        name = features_name(version.features_key)
        kept = files.read(name)
        if kept is None:
            self.say(f"features of {self.day}, {len(needed.partitions)} partitions behind them")
            made = rows.day_rows(self.settings, self.ledger, version, self.day, needed)
            kept = files.keep(name, made)
        kind = features_kind(version)
        if self.day not in nights.days(self.ledger, kind, self.day, self.day):
            grid = Grids.read(self.ledger, version).features
            own = kept.table.select(list(version.signature.names))
            self.profiles[kind, self.day] = profile(own, grid)
        return kept.table, needed.events

    def _entry(self, version: Version, kept: Kept, events: Partition) -> dict[str, Any]:
        grids, scores = Grids.read(self.ledger, version), kept.table.select(score_columns(kept.table))
        first = scores.column(0).to_numpy()
        return {
            "run": version.named.run,
            "role": version.named.role,
            "rows": len(scores),
            "mean": float(first.mean(dtype="float64")) if len(first) else 0.0,
            "file": kept.place,
            "sha256": kept.sha256,
            "features": version.features_key,
            "features_sha256": version.signature.features_sha256,
            "at": self.now.isoformat(),
            "events": {"revision": events.revision, "sha256": events.sha256},
            "difference": _difference(self.champion, kept.table),
            "profile": profile(scores, grids.scores),
        }


def _known(named: Named, entry: Mapping[str, Any], *, new: bool = False) -> VersionScored:
    return VersionScored(
        version=named.version,
        run=entry["run"],
        role=named.role,
        rows=entry["rows"],
        mean=entry["mean"],
        file=entry["file"],
        sha256=entry["sha256"],
        new=new,
        difference=entry["difference"] if named.role == "shadow" else None,
    )


def _check_stamp(kept: Kept, named: Named) -> None:
    """Raises IntegrityError where a file that was there already is of another run."""
    found = set(kept.table["run"].to_pylist()) if "run" in kept.table.column_names else {"nobody"}
    if found - {named.run}:
        raise IntegrityError(
            f"holds predictions of {shorten(', '.join(sorted(map(str, found))))}, not of {named.run}",
            where=kept.place,
            remedy="it is kept; see who wrote it",
        )


def _difference(champion: pa.Table | None, shadow: pa.Table) -> float | None:
    """The mean distance of two versions' scores, of several classes half their sum; None: not of the same rows."""
    import numpy as np

    if champion is None or len(champion) != len(shadow) or not len(shadow):
        return None
    if score_columns(champion) != score_columns(shadow):
        return None
    away = np.abs(scores_of(champion).astype(np.float64) - scores_of(shadow))
    return float(away.mean() if away.ndim == 1 else away.sum(axis=1).mean() / 2)

"""Makes a version's reference, once, out of what its run left behind: feature table, trial, importance, metrics."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, replace
from datetime import date, timedelta
from pathlib import Path
from typing import TYPE_CHECKING, Any, Self

from pipelines.config.settings import Settings
from pipelines.drift.grid import Grid
from pipelines.drift.profile import Profile, profile
from pipelines.engines.rows import Rows
from pipelines.evaluation.sampling import sample
from pipelines.ledger import nights
from pipelines.ledger.git import Ledger
from pipelines.ledger.months import months_between
from pipelines.ledger.outs import fetch_files, fetch_folder
from pipelines.ledger.retrainings import train_seconds
from pipelines.night import reference
from pipelines.night.grids import LABEL, Grids, features_kind, labels_kind
from pipelines.night.predictions import named_scores
from pipelines.night.reference import Reference
from pipelines.night.samples import SAMPLE_ROWS, keep_sample
from pipelines.night.version import Version
from pipelines.performance.estimate import fit
from pipelines.performance.loss import prior
from pipelines.stages.context import Progress
from pipelines.storage.files import read_json
from pipelines.storage.model_file import verify_and_load

if TYPE_CHECKING:
    import pyarrow as pa
    from numpy.typing import NDArray

GRID_ROWS = 200_000
_OUTS = {
    "out/train/trial.json": "trial.json",
    "out/train/training.json": "training.json",
    "out/evaluate/importance.json": "importance.json",
    "out/evaluate/metrics.json": "metrics.json",
}


def learn(settings: Settings, ledger: Ledger, version: Version, say: Progress) -> Reference:
    """The reference of `version`: the one on the branch `nights`, or made now and kept there, grids and profiles too.

    Days that were profiled before, when they were scored or for an earlier version, are not profiled again.

    Raises:
        IntegrityError: a file of its run is not what the ledger says.
        PassingFault: ledger, remote or predictions cannot be reached.
    """
    found = reference.known(ledger, version.named.run)
    if found is not None:
        return found
    say(f"version {version.named.version}: its training days become the reference")
    past = _Past.bring(settings, ledger, version)
    held = past.held_out()
    grids = Grids.keep(ledger, version, past.sample(GRID_ROWS), held.table)
    nights.write(ledger, past.profiles(ledger, grids), f"Profiles of the training days of {version.named.run}")
    keep_sample(settings, ledger.model, version.named.run, past.sample(SAMPLE_ROWS), version.folder)
    # Last: whoever finds it finds all the rest.
    name = reference.name_of(version.named.run)
    seconds = train_seconds(ledger, version.named.run)
    value = past.reference(held, held.by_day(grids.scores), seconds).to_json()
    kept = nights.put_new(ledger, {name: value}, f"Reference of version {version.named.version}")
    return Reference.from_json(kept[name])


@dataclass(frozen=True)
class _Held:
    """The labelled rows that the trial had not seen: labels and days since 1970 (n,), scores, and these as a table."""

    label: NDArray[Any]
    day: NDArray[Any]
    score: NDArray[Any]
    table: pa.Table

    def by_day(self, grid: Grid) -> tuple[Profile, ...]:
        """The profiles of each day's scores, in order."""
        import numpy as np

        return tuple(profile(self.table.filter(self.day == day), grid) for day in np.unique(self.day))


@dataclass(frozen=True)
class _Past:
    """The files of a version's run, in `folder`."""

    version: Version
    folder: Path

    @classmethod
    def bring(cls, settings: Settings, ledger: Ledger, version: Version) -> Self:
        folder, tag = version.folder / "past", version.named.tag
        fetch_files(settings, ledger, tag, {path: folder / name for path, name in _OUTS.items()})
        fetch_folder(settings, ledger, tag, "out/features/data", folder / "data")
        return cls(version, folder)

    @property
    def rows(self) -> Rows:
        """The labelled rows of all days through the last one with a label."""
        span = self.version.params.span
        return Rows(self.folder / "data", span.train_start, span.test_end)

    def sample(self, rows: int) -> pa.Table:
        """At most so many of the rows, with features and label."""
        return sample(self.rows, [*self.version.signature.names, LABEL], rows)

    def held_out(self) -> _Held:
        import numpy as np
        import pyarrow as pa

        from pipelines.engines.matrix import predict

        span, signature = self.version.params.span, self.version.signature
        trial = verify_and_load(self.folder / "trial.json", signature.trial_sha256, signature)
        labels, days, scores = [], [], []
        test = replace(self.rows, first=span.test_start)
        for batch in test.batches([*signature.names, LABEL, "event_date"]):
            labels.append(batch.column(LABEL).to_numpy(zero_copy_only=False).astype(np.float64))
            days.append(batch.column("event_date").cast(pa.date32()).cast(pa.int32()).to_numpy(zero_copy_only=False))
            scores.append(predict(trial, signature, [batch]))
        found = np.concatenate(scores)
        return _Held(np.concatenate(labels), np.concatenate(days), found, pa.table(named_scores(self.version, found)))

    def reference(self, held: _Held, scores: tuple[Profile, ...], seconds: float) -> Reference:
        params, training = self.version.params, read_json(self.folder / "training.json")
        ranked = read_json(self.folder / "importance.json")["features"]
        metrics = read_json(self.folder / "metrics.json")["challenger"]
        return Reference(
            features_key=self.version.features_key,
            first=params.span.train_start,
            last=params.span.test_end,
            estimator=fit(params.task, held.label, held.score, held.day),
            prior=self._prior(),
            importance={item["feature"]: item["share"] or 0.0 for item in ranked},
            metrics={name: value for name, value in metrics.items() if value is not None},
            scores=scores,
            trained_rows=int(training["release"]["rows"]),
            train_seconds=seconds,
        )

    def profiles(self, ledger: Ledger, grids: Grids) -> dict[tuple[str, date], Profile]:
        """By kind and day, the profiles of features and labels that nobody has made yet."""
        months = months_between(self.rows.first, self.rows.last)
        kinds = (features_kind(self.version), labels_kind(self.version.params.label))
        profiled, labelled = (set(nights.read(ledger, kind, months)) for kind in kinds)
        if self._days() <= profiled & labelled:
            return {}
        found: dict[tuple[str, date], Profile] = {}
        for day, table in self._by_day():
            if day not in profiled:
                found[kinds[0], day] = profile(table.select(list(self.version.signature.names)), grids.features)
            if day not in labelled:
                found[kinds[1], day] = profile(table.select([LABEL]), grids.labels)
        return found

    def _days(self) -> set[date]:
        import pyarrow.compute as pc

        whole = replace(self.rows, labelled=False)
        return {day for batch in whole.batches(["event_date"]) for day in pc.unique(batch[0]).to_pylist()}

    def _by_day(self) -> Iterator[tuple[date, pa.Table]]:
        """Every day's rows, labelled or not; one month in memory at a time, which is how they are kept."""
        import pyarrow as pa
        import pyarrow.compute as pc

        columns = [*self.version.signature.names, LABEL, "event_date"]
        for path in sorted((self.folder / "data").glob("*.parquet")):
            first = date.fromisoformat(f"{path.stem}-01")
            last = (first + timedelta(days=31)).replace(day=1) - timedelta(days=1)
            whole = replace(self.rows, labelled=False, first=first, last=last)
            table = pa.Table.from_batches(whole.batches(columns)).unify_dictionaries()
            for day in pc.unique(table["event_date"]).to_pylist():
                yield day, table.filter(pc.equal(table["event_date"], day))

    def _prior(self) -> tuple[float, ...]:
        import numpy as np

        params = self.version.params
        labels = [batch[0].to_numpy(zero_copy_only=False) for batch in self.rows.batches([LABEL])]
        return prior(params.task, np.concatenate(labels), len(params.label.classes))

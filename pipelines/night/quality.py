"""What predictions were worth: estimated on the night they are made, measured when their labels have come."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import date, timedelta
from functools import cached_property
from typing import TYPE_CHECKING, Any

from pipelines.config.model import Task
from pipelines.drift.profile import Profile, profile
from pipelines.evaluation.metrics import Metrics, rounded
from pipelines.evaluation.scoring import MISSING, Codes
from pipelines.ledger import nights
from pipelines.ledger.manifest import Partition
from pipelines.night import reference
from pipelines.night.grids import Grids, labels_kind
from pipelines.night.predictions import Predictions, features_name, scores_of, version_name
from pipelines.night.truth import LABEL, Truth, labels_for, truths
from pipelines.night.watch import Watch, Watched
from pipelines.performance.estimate import Estimate
from pipelines.performance.loss import Sums, prior_loss
from pipelines.performance.realised import realised
from pipelines.policy.evidence import EstimateFacts, PerformanceFacts

if TYPE_CHECKING:
    import pyarrow as pa

KIND = "quality"
Entry = dict[str, Any]
Changes = dict[tuple[str, date], dict[str, Any]]


@dataclass
class Quality:
    """A night's look at what was predicted; `changes` are for the branch `nights`, `labels` the profiles among them."""

    watch: Watch
    champion: Watched
    changes: Changes = field(default_factory=dict)
    labels: dict[date, Profile] = field(default_factory=dict)

    def estimates(self) -> tuple[EstimateFacts, ...]:
        """What is to be expected of the champion's scores of the night's own day; none where it has none."""
        day = self.watch.day
        record = self._scores.get(day, {}).get(self.champion.number)
        table = self._predictions(day, self.champion.number, record) if record else None
        if table is None:
            return ()
        found = self.champion.reference.estimator.estimate(scores_of(table))
        self._put(day, self.champion.number, {"rows": len(table), "estimated": _plain(found)})
        return tuple(EstimateFacts(day=day, **item.to_json()) for item in found.values())

    def performance(self) -> tuple[PerformanceFacts, ...]:
        """The champion's matured days, oldest first; where labels have come or were corrected, measured now."""
        watch = self.watch
        matured = [day for day in self._scores if day <= watch.matured]
        due = [(item, day) for day in matured if (item := self._due(day)) is not None]
        for truth in truths(watch.settings, watch.ledger, self.champion.version.params, due, watch.scratch):
            watch.say(f"labels of {truth.day} have come")
            self._label(truth)
            for version, record in self._scores[truth.day].items():
                self._measure(truth, version, record)
        judged = (day for day in matured if day >= watch.first_judged())
        task = self.champion.version.params.task
        facts = (_facts(task, day, self._entry(day, self.champion.number)) for day in judged)
        return tuple(item for item in facts if item is not None)

    @cached_property
    def _first(self) -> date:
        """The first day looked at: those that count for the champion, and those whose partitions may still change."""
        watch = self.watch
        return min(watch.first_judged(), watch.matured - timedelta(days=watch.model.schedule.late_days))

    @cached_property
    def _scores(self) -> dict[date, dict[str, Entry]]:
        return nights.days(self.watch.ledger, "scores", self._first, self.watch.day)

    @cached_property
    def _known(self) -> dict[date, dict[str, Entry]]:
        return nights.days(self.watch.ledger, KIND, self._first, self.watch.day)

    def _due(self, day: date) -> Partition | None:
        """The events of `day`, if one of the versions that scored it has not been measured against just these."""
        events = self.watch.manifest.accepted(self.watch.model.events, day.isoformat())
        if events is None:
            return None
        entries = (self._entry(day, version) for version in self._scores[day])
        return None if all(entry.get("events", {}).get("sha256") == events.sha256 for entry in entries) else events

    def _measure(self, truth: Truth, version: str, record: Entry) -> None:
        """Put what `version` was worth; a file of predictions that is gone is told, for nothing brings it back."""
        events = {"revision": truth.events.revision, "sha256": truth.events.sha256}
        table = self._predictions(truth.day, version, record)
        if table is None:
            self.watch.say(f"the predictions of {truth.day} by version {version} are gone: {record['file']}")
            self._put(truth.day, version, {"gone": record["file"], "events": events})
            return
        past, params = reference.known(self.watch.ledger, record["run"]), self.champion.version.params
        label, score = labels_for(table, truth), scores_of(table)
        found = realised(params.task, label, score, self._slices(truth.day, record), seed=truth.day.toordinal())
        estimated = self._entry(truth.day, version).get("estimated") or {}
        if past is not None:
            estimated = estimated or _plain(past.estimator.estimate(score))
        constant = prior_loss(params.task, label[label == label], past.prior if past else ())  # noqa: PLR0124  # not NaN
        more = {
            "estimated": estimated,
            "errors": _errors(estimated, found.metrics),
            "baseline_loss": rounded(constant),
            "events": events,
            "scored_on": record["events"],
        }
        self._put(truth.day, version, found.to_json() | more)

    def _label(self, truth: Truth) -> None:
        version = self.champion.version
        grid = Grids.read(self.watch.ledger, version).labels
        found = self.labels[truth.day] = profile(truth.table.select([LABEL]), grid)
        self.changes[labels_kind(version.params.label), truth.day] = found

    def _predictions(self, day: date, version: str, record: Entry) -> pa.Table | None:
        kept = self._files(day).read(version_name(int(version)), record["sha256"])
        return kept.table if kept else None

    def _slices(self, day: date, record: Entry) -> dict[str, Codes]:
        wanted = self.champion.version.params.evaluation.slices
        kept = self._files(day).read(features_name(record["features"])) if wanted else None
        return {name: _codes(kept.table[name]) for name in wanted if name in kept.table.column_names} if kept else {}

    def _files(self, day: date) -> Predictions:
        return Predictions.open(self.watch.settings, self.watch.ledger.model, day, self.watch.scratch / str(day))

    def _entry(self, day: date, version: str) -> Entry:
        fresh = self.changes.get((KIND, day), {}).get(version)
        return fresh or self._known.get(day, {}).get(version, {})

    def _put(self, day: date, version: str, entry: Entry) -> None:
        whole = {**self._entry(day, version), **entry, "at": self.watch.now.isoformat()}
        self.changes.setdefault((KIND, day), {})[version] = whole


def _plain(found: Mapping[str, Estimate]) -> dict[str, Any]:
    return {name: item.to_json() for name, item in found.items()}


def _errors(estimated: Mapping[str, Any], metrics: Metrics) -> dict[str, float]:
    """How far each estimate was above the truth."""
    pairs = ((name, item["value"], metrics.get(name)) for name, item in estimated.items())
    return {name: float(value - truth) for name, value, truth in pairs if truth is not None}


def _facts(task: Task, day: date, entry: Entry) -> PerformanceFacts | None:
    if not entry.get("labelled"):
        return None
    sums = Sums(entry["labelled"], entry["loss_sum"], entry["label_sum"], entry["score_sum"])
    loss = sums.loss
    if loss is None:
        return None
    several = task is Task.MULTICLASS
    expected = entry["estimated"].get("log_loss", {}).get("value")
    squared = entry["estimated"].get("rmse", {}).get("value")
    return PerformanceFacts(
        day=day,
        rows=sums.rows,
        loss=loss,
        estimated_loss=expected if squared is None else squared**2,
        metrics={name: value for name, value in entry["metrics"].items() if value is not None},
        label_mean=None if several else sums.label_mean,
        score_mean=None if several else sums.score_mean,
        baseline_loss=entry["baseline_loss"],
    )


def _codes(column: pa.ChunkedArray) -> Codes:
    """A column of the feature table as codes into its values; a null is a value of its own."""
    import numpy as np
    import pyarrow as pa

    whole = column.combine_chunks()
    encoded = whole if pa.types.is_dictionary(whole.type) else whole.dictionary_encode()
    values = [MISSING if value is None else str(value) for value in encoded.dictionary.to_pylist()]
    codes = encoded.indices.fill_null(len(values)).to_numpy(zero_copy_only=False)
    return Codes((*values, MISSING), np.asarray(codes, np.int32))

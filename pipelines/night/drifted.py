"""How far the newest days are from the champion's training days: features, scores, label; profiles alone are read."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from datetime import date, timedelta
from typing import Any

from pipelines.drift.compare import ColumnDrift, compare
from pipelines.drift.grid import Grid
from pipelines.drift.profile import Profile, merge_all
from pipelines.drift.rank import Ranked, rank, score
from pipelines.ledger import nights
from pipelines.night.grids import Grids, features_kind, labels_kind
from pipelines.night.watch import Watch, Watched
from pipelines.policy.evidence import ColumnFact, DriftFacts, Separability


@dataclass(frozen=True)
class Drifted:
    """The facts for the decision, and for the page every column's measures against both references."""

    facts: DriftFacts
    detail: Mapping[str, Any] = field(default_factory=dict)


def drifted(
    watch: Watch, champion: Watched, separability: Separability | None, fresh: Mapping[date, Profile]
) -> Drifted | None:
    """The drift of the window of days that ends with the night's own; None where none of its days was profiled.

    `fresh` are profiles of labels that this night has made.
    """
    window = watch.model.monitoring.window_days
    first = watch.day - timedelta(days=window - 1)
    features = nights.days(watch.ledger, features_kind(champion.version), first, watch.day)
    if not features:
        return None
    grids, current = Grids.read(watch.ledger, champion.version), list(features.values())
    moved = against(_trained(watch, champion, features_kind(champion.version)), current, grids.features)
    before = against(_weeks_before(watch, champion, first), current, grids.features)
    predicted = against(champion.reference.scores, _scores(watch, champion, first), grids.scores)
    labelled = against(
        _trained(watch, champion, labels_kind(champion.version.params.label)),
        _labels(watch, champion, window, fresh),
        grids.labels,
    )
    importance = _weights(champion, watch.model.monitoring.columns_off)
    ranked = rank(moved, importance)
    facts = DriftFacts(
        score=score(ranked),
        columns=tuple(_fact(item) for item in ranked),
        prediction=max((item.effect for item in predicted), default=None),
        label=max((item.effect for item in labelled), default=None),
        separability=separability,
    )
    detail = {"training": moved, "weeks_before": before, "prediction": predicted, "label": labelled}
    return Drifted(facts, {name: [item.to_json() for item in found] for name, found in detail.items()})


def against(reference: Sequence[Profile], current: Sequence[Profile], grid: Grid) -> tuple[ColumnDrift, ...]:
    """The drift of days (profiles, one a day) from those of `reference`; none where either side has no days.

    How the reference's days differ among themselves counts as noise.
    """
    if not reference or not current:
        return ()
    return compare(merge_all(reference), merge_all(current), grid, reference)


def _trained(watch: Watch, champion: Watched, kind: str) -> list[Profile]:
    past = champion.reference
    return list(nights.days(watch.ledger, kind, past.first, past.last).values())


def _weeks_before(watch: Watch, champion: Watched, first: date) -> list[Profile]:
    """Whole weeks that end before the window: the same weekdays."""
    count = watch.model.monitoring.reference_days
    days = (first - timedelta(days=count), first - timedelta(days=1))
    return list(nights.days(watch.ledger, features_kind(champion.version), *days).values())


def _scores(watch: Watch, champion: Watched, first: date) -> list[Profile]:
    found = nights.days(watch.ledger, "scores", first, watch.day).values()
    return [day[champion.number]["profile"] for day in found if champion.number in day]


def _labels(watch: Watch, champion: Watched, window: int, fresh: Mapping[date, Profile]) -> list[Profile]:
    first, kind = watch.matured - timedelta(days=window - 1), labels_kind(champion.version.params.label)
    found = nights.days(watch.ledger, kind, first, watch.matured) | dict(fresh)
    return [profile for day, profile in sorted(found.items()) if first <= day <= watch.matured]


def _weights(champion: Watched, off: Sequence[str]) -> dict[str, float]:
    """Shares of importance, of which some count for nothing."""
    return {name: share for name, share in champion.reference.importance.items() if name not in off}


def _fact(item: Ranked) -> ColumnFact:
    drift = item.drift
    return ColumnFact(drift.name, drift.effect, item.importance, drift.null_shift, drift.unseen_share)

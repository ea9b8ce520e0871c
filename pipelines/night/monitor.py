"""Monitoring: what a night knows of the champion, its data and its predictions, written down before it decides."""

from __future__ import annotations

from dataclasses import replace
from datetime import UTC, date, datetime, timedelta
from pathlib import Path
from typing import Any

from pipelines.config.load import find_model, load_model
from pipelines.config.model import Model
from pipelines.config.names import STATIC
from pipelines.config.settings import Settings
from pipelines.ledger import nights
from pipelines.ledger.git import Ledger
from pipelines.ledger.manifest import Manifest, load_manifest
from pipelines.ledger.months import months_between
from pipelines.night.arrived import arrivals, new_rows
from pipelines.night.drifted import drifted
from pipelines.night.learn import learn
from pipelines.night.quality import Quality
from pipelines.night.raw import broken_data
from pipelines.night.scratch import scratch_folder
from pipelines.night.separate import separate
from pipelines.night.standing import champion_of
from pipelines.night.version import Named, Version
from pipelines.night.watch import Watch, Watched
from pipelines.policy.evidence import ChampionFacts, Evidence
from pipelines.stages.context import Progress

KIND = "monitor"


def monitor(settings: Settings, model: str, day: date, say: Progress, *, now: datetime | None = None) -> Evidence:
    """Look at the night of `day`, and record it on the branch `nights`; without a champion, at its data alone.

    Repeating it looks again: what has been corrected since takes the place of what was.

    Raises:
        ConfigError: the model folder is wrong.
        IntegrityError: bytes are not what the ledger says.
        PassingFault: ledger, remote or predictions cannot be reached; repeating it is safe.
    """
    config = load_model(find_model(settings.models, model))
    ledger = Ledger.open(settings, model)
    with scratch_folder(settings, "monitor") as scratch:
        watch = _watch(settings, ledger, config, day, scratch, now or datetime.now(UTC), say)
        evidence, changes, detail = _look(watch)
        record = {**evidence.to_json(), "at": watch.now.isoformat(), "data": ledger.head("data"), "detail": detail}
        nights.write(ledger, {**changes, (KIND, day): record}, f"Monitor {model} {day}")
    return evidence


def _watch(
    settings: Settings, ledger: Ledger, model: Model, day: date, scratch: Path, now: datetime, say: Progress
) -> Watch:
    standing = champion_of(ledger, day)
    champion = None
    if standing is not None:
        version = Version.bring(settings, ledger, Named.champion(standing), scratch / "champion")
        champion = Watched(standing, version, learn(settings, ledger, version, say))
    watch = Watch(settings, ledger, model, day, Manifest(), scratch, now, say, champion)
    months = [*months_between(min(watch.first_seen(), day), day), STATIC]
    return replace(watch, manifest=load_manifest(ledger, months=months))


def _look(watch: Watch) -> tuple[Evidence, dict[tuple[str, date], Any], dict[str, Any]]:
    """The evidence, what else is to be kept by kind and day, and the detail behind the drift."""
    evidence = Evidence(
        model=watch.ledger.model,
        day=watch.day,
        bugs=broken_data(watch.ledger, watch.model, watch.day),
        arrivals=arrivals(watch.ledger, watch.model, watch.manifest, watch.day, _data_before(watch)),
        new_rows=new_rows(watch.model, watch.manifest, watch.known_until(), watch.matured),
        needed_rows=watch.model.gates.unseen_rows,
    )
    champion = watch.champion
    if champion is None:
        return evidence, {}, {}
    quality = Quality(watch, champion)
    estimated, performance = quality.estimates(), quality.performance()
    watch.say("drift")
    found = drifted(watch, champion, separate(watch, champion), quality.labels)
    evidence = replace(
        evidence,
        champion=_facts(champion),
        age_days=(watch.day - champion.standing.window.as_of).days,
        drift=found.facts if found else None,
        performance=performance,
        reference=dict(champion.reference.metrics),
        estimated=estimated,
    )
    return evidence, quality.changes, dict(found.detail) if found else {}


def _facts(champion: Watched) -> ChampionFacts:
    window = champion.standing.window
    return ChampionFacts(
        version=champion.standing.version,
        run=champion.standing.run,
        as_of=window.as_of,
        test_end=window.test_end,
        trained_rows=champion.reference.trained_rows,
        train_seconds=champion.reference.train_seconds,
    )


def _data_before(watch: Watch) -> str | None:
    """The commit of `data` that the newest night before this one saw; None: there is none in the month before."""
    found = nights.days(watch.ledger, KIND, watch.day - timedelta(days=31), watch.day - timedelta(days=1))
    return str(next(reversed(found.values()))["data"]) if found else None

"""Rollback: an earlier version becomes champion again, after proof that it still loads and says what it said."""

from __future__ import annotations

import json
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Any

from pipelines.config.load import find_model, load_model
from pipelines.config.params import RunParams
from pipelines.config.settings import Settings
from pipelines.errors import EvergreenError, InputError, IntegrityError, NothingToDo, PassingFault, PushRefused, shorten
from pipelines.ledger import champion as champions
from pipelines.ledger import outbox, rollbacks
from pipelines.ledger.champion import Champion, ChampionWindow, Reason
from pipelines.ledger.git import Ledger
from pipelines.ledger.outbox import Alert
from pipelines.night.version import Named
from pipelines.registry import Registry
from pipelines.release import promote
from pipelines.release.prove import prove
from pipelines.release.regression import breach
from pipelines.stages.context import Progress, StageResult


@dataclass(frozen=True)
class Asked:
    """Which version (None: the champion before), why, who asked. `key` stands for the occasion: twice is once."""

    to: int | None
    reason: str
    by: str
    key: str = ""


def rollback(settings: Settings, model: str, asked: Asked, say: Progress) -> StageResult:
    """Make an earlier version of `model` champion again.

    Raises:
        InputError: there is no such version, it is champion, or the reason is empty.
        IntegrityError: it is lost, corrupt, or says something else than it did; nothing is changed.
        PassingFault: ledger or remote is away, or the champion changed meanwhile.
    """
    ledger = Ledger.open(settings, model)
    head = ledger.head("champion")
    standing = champions.at(ledger, head)
    if standing is None:
        raise InputError("there is no champion to take back", where=model)
    if not asked.reason.strip():
        raise InputError("no reason is given", where="--reason", remedy="say why: it is kept for ever")
    if asked.key and standing.evidence.get("asked") == asked.key:
        return _told(settings, model, standing, "was rolled back before", say)
    target = _target(settings, ledger, standing, asked.to)
    say(f"proving version {target.version}")
    proof = prove(settings, ledger, Named.champion(target), say)
    record = target.model_copy(
        update={
            "since": datetime.now(UTC),
            "reason": Reason(kind="rollback", text=shorten(asked.reason, 1000)),
            "approver": asked.by,
            "evidence": {"proof": proof, "from": standing.version, "asked": asked.key},
        }
    )
    if champions.promote(ledger, record, head) == head:
        raise PushRefused("nothing was changed", where="champion", remedy="look who is champion")
    say(f"version {target.version} is champion again, in place of {standing.version}")
    _tell(settings, ledger, standing, record)
    return _told(settings, model, record, f"took the place of version {standing.version}", say)


def automatic(settings: Settings, model: str, say: Progress) -> StageResult:
    """Execute the rollback that a night has asked for, if the bound is breached by what this process finds itself.

    Raises:
        NothingToDo: none is due, it is switched off, or the numbers do not say so.
        EvergreenError: as `rollback` does; a version that cannot be proven is not asked for again.
    """
    ledger = Ledger.open(settings, model)
    found, standing = rollbacks.due(ledger), champions.current(ledger)
    if found is None or standing is None:
        raise NothingToDo("no rollback is due", where=model)
    rule = load_model(find_model(settings.models, model)).rollback
    regression = breach(ledger, rule, standing)
    if rule.automatic == "off" or regression is None:
        rollbacks.settle(ledger, found["key"], {"done": False, "reason": "switched off, or not breached any more"})
        raise NothingToDo("automatic rollback is off, or its bound is not breached", where=model)
    try:
        result = rollback(settings, model, Asked(None, regression.sentence, "automatic", found["key"]), say)
    except PassingFault:
        raise
    except EvergreenError as error:
        rollbacks.settle(ledger, found["key"], {"done": False, "reason": error.line()})
        raise
    rollbacks.settle(ledger, found["key"], {"done": True, **result.summary, "evidence": regression.to_json()})
    return result


def _target(settings: Settings, ledger: Ledger, standing: Champion, to: int | None) -> Champion:
    """The version to go back to as a champion's record, with the sha256 that the ledger gives for it."""
    before = standing.previous.version if standing.previous else None
    wanted = before if to is None else to
    if wanted is None:
        raise InputError("there was no champion before", where=ledger.model, remedy="name a version: --to")
    if wanted == standing.version:
        raise InputError(f"version {wanted} is champion already", where=ledger.model)
    past = next((item for item in champions.history(ledger) if item.version == wanted), None)
    return past or _registered(settings, ledger, wanted)


def _registered(settings: Settings, ledger: Ledger, version: int) -> Champion:
    """A version that passed its gates and never was champion; MLflow alone knows its number."""
    tag = Registry.of(settings).tag_of(ledger.model, version)
    if tag is None or ledger.head(tag) is None:
        raise InputError(
            f"there is no version {version}", where=ledger.model, remedy="see `evergreen history` for those there were"
        )
    paths = ("out/evaluate/gates.json", "out/evaluate/metrics.json", "params.yaml")
    found = ledger.read_many((tag, path) for path in paths)
    gates, metrics = (json.loads(found[tag, path] or b"{}") for path in paths[:2])
    if gates.get("passed") is not True:
        raise IntegrityError(f"version {version} did not pass its gates", where=tag, remedy="choose another version")
    return Champion(
        version=version,
        run=tag.removeprefix("runs/"),
        model_sha256=gates["model_sha256"],
        since=datetime.now(UTC),
        reason=Reason(kind="rollback"),
        window=ChampionWindow.of(_params(found[tag, "params.yaml"]).span),
        metrics=metrics["challenger"],
    )


def _params(content: bytes | None) -> RunParams:
    import yaml

    return RunParams.model_validate(yaml.safe_load(content or b""))


def _tell(settings: Settings, ledger: Ledger, standing: Champion, record: Champion) -> None:
    if "rollback" in load_model(find_model(settings.models, ledger.model)).alerts.on:
        title = f"{ledger.model}: version {record.version} is champion again, in place of {standing.version}"
        body = f"{record.reason.text}\nBy {record.approver}."
        outbox.queue(ledger, Alert("rollback", "warning", title, body, f"rollback {record.since.isoformat()}"))


def _told(settings: Settings, model: str, record: Champion, how: str, say: Progress) -> StageResult:
    """Show it in MLflow, which may be away: the ledger has decided, and `evergreen reconcile` shows it later."""
    aliases = "set"
    try:
        promote.project(settings, model)
    except PassingFault as error:
        aliases = f"not yet: {error.what}"
        say(f"aliases are not set yet: {error.line()}")
    summary: dict[str, Any] = {
        "version": record.version,
        "run": record.run,
        "promoted": True,
        "reason": how,
        "aliases": aliases,
        "proof": record.evidence.get("proof"),
    }
    return StageResult(summary=summary)

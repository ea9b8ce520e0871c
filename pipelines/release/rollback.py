"""Rollback: an earlier version becomes champion again, after proof that it still loads and says what it said."""

from __future__ import annotations

import hashlib
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Any

from pipelines.config.load import find_model, load_model
from pipelines.config.settings import Settings
from pipelines.errors import EvergreenError, InputError, NothingToDo, PassingFault, PushRefused, shorten
from pipelines.ledger import champion as champions
from pipelines.ledger import outbox, rollbacks
from pipelines.ledger.champion import Champion, Reason
from pipelines.ledger.git import Ledger
from pipelines.ledger.outbox import Alert
from pipelines.night.version import Named
from pipelines.release import promote, signed
from pipelines.release.prove import prove
from pipelines.release.regression import breach
from pipelines.stages.context import Progress, StageResult

_ALREADY = "came by this very rollback before: nothing was done; to go further back name a version"


@dataclass(frozen=True)
class Asked:
    """Which version (None: the champion before), why, who asked. `key` stands for the occasion: twice is once."""

    to: int | None
    reason: str
    by: str
    key: str = ""

    @property
    def occasion(self) -> str:
        """The key; where nobody gave one, the same question of the same person."""
        told = hashlib.sha256(self.reason.encode()).hexdigest()[:16]
        return self.key or f"{self.by}: to {self.to or 'the champion before'}: {told}"


def rollback(settings: Settings, model: str, asked: Asked, say: Progress) -> StageResult:
    """Make an earlier champion of `model` champion again. Asked once more, it changes nothing more.

    Raises:
        InputError: it never was champion, or is, or nobody can say which one is meant, or the reason is empty.
        IntegrityError: it is lost, corrupt, or says something else than it did; or signers are listed, and the
            champion's newest commit is from none of them and no version is named. Nothing is changed.
        PassingFault: ledger or remote is away, or the champion changed meanwhile.
    """
    ledger = Ledger.open(settings, model)
    head = ledger.head("champion")
    standing = champions.at(ledger, head)
    if standing is None:
        raise InputError("there is no champion to take back", where=model)
    if not asked.reason.strip():
        raise InputError("no reason is given", where="--reason", remedy="say why: it is kept for ever")
    trusted = signed.trusted(ledger)
    if asked.to is None:
        signed.demand(ledger, head)
    if trusted[:1] == [head] and standing.evidence.get("asked") == asked.occasion:
        return _told(settings, model, standing, _ALREADY, say)
    history = [found for found in (champions.at(ledger, commit) for commit in trusted) if found is not None]
    wanted = target(model, standing, history, asked.to)
    say(f"proving version {wanted.version}")
    proof = prove(settings, ledger, Named.champion(wanted), say)
    record = wanted.model_copy(
        update={
            "since": datetime.now(UTC),
            "reason": Reason(kind="rollback", text=shorten(asked.reason, 1000)),
            "approver": asked.by,
            "evidence": {"proof": proof, "from": standing.version, "asked": asked.occasion},
        }
    )
    if champions.promote(ledger, record, head) == head:
        raise PushRefused("nothing was changed", where="champion", remedy="look who is champion")
    say(f"version {wanted.version} is champion again, in place of {standing.version}")
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


def target(model: str, standing: Champion, history: Sequence[Champion], to: int | None) -> Champion:
    """The record of the champion to go back to; `history` are those there were, the newest first.

    What passed its gates and never was champion, or was rejected, comes by `promote` or not at all.
    """
    wanted = _before(model, standing, history) if to is None else to
    if wanted == standing.version:
        raise InputError(f"version {wanted} is champion already", where=model)
    past = next((item for item in history if item.version == wanted), None)
    if past is None:
        raise InputError(
            f"version {wanted} never was champion",
            where=model,
            remedy=f"promote it: `evergreen promote {model} RUN`; `evergreen history {model}` shows those that were",
        )
    return past


def _before(model: str, standing: Champion, history: Sequence[Champion]) -> int:
    """The champion before. One that came by a rollback has before it what was bad: then the newest that nobody left."""
    if standing.reason.kind != "rollback":
        if standing.previous is None:
            raise InputError("there was no champion before", where=model, remedy="retrain")
        return standing.previous.version
    left: set[Any] = set()
    for item in history:
        if item.version != standing.version and item.version not in left:
            return item.version
        if item.reason.kind == "rollback":
            left.add(item.evidence.get("from"))
    raise InputError(
        f"version {standing.version} came by a rollback, and every champion before it was taken back",
        where=model,
        remedy="name the version to go to: --to",
    )


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

"""`evergreen reconcile`: what in MLflow is not what the ledger says, by whomever; repaired, recorded, and told."""

from __future__ import annotations

import hashlib
import json
from dataclasses import asdict, dataclass, field
from datetime import UTC, datetime
from typing import Any, Literal

from pipelines.config.load import find_model, load_model
from pipelines.config.settings import Settings
from pipelines.errors import EvergreenError, PassingFault
from pipelines.ledger import champion as champions
from pipelines.ledger import decisions, lease, outbox
from pipelines.ledger.champion import Champion
from pipelines.ledger.git import Ledger
from pipelines.ledger.outbox import Alert
from pipelines.registry import Registry
from pipelines.release import seen
from pipelines.release.seen import Seen
from pipelines.stages.context import Progress

GATES = "out/evaluate/gates.json"
Kind = Literal["alias", "edited", "deleted", "foreign"]


@dataclass(frozen=True)
class Finding:
    """One difference; `repaired` says whether it is none any more, `why` what stood in the way."""

    kind: Kind
    what: str
    repaired: bool = False
    why: str = ""

    @property
    def sentence(self) -> str:
        """It for people."""
        return f"{self.what}: {'repaired' if self.repaired else self.why or 'not repaired'}"


@dataclass(frozen=True)
class Report:
    """What was found, in order; nothing where MLflow shows what the ledger says."""

    model: str
    findings: tuple[Finding, ...] = ()

    @property
    def exit_code(self) -> int:
        """0 where nothing is left to do, 1 where something is."""
        return int(not all(item.repaired for item in self.findings))

    def to_json(self) -> dict[str, Any]:
        """For machines; of many findings the first twenty."""
        shown = [asdict(item) for item in self.findings[:20]]
        return {"model": self.model, "found": len(self.findings), "left": self._left(), "findings": shown}

    def render(self) -> str:
        """For people."""
        lines = [f"  {item.kind:<8} {item.sentence}" for item in self.findings]
        return "\n".join([f"{self.model}: {len(self.findings) or 'no'} differences, {self._left()} left", *lines])

    def _left(self) -> int:
        return sum(not item.repaired for item in self.findings)


def reconcile(settings: Settings, model: str, say: Progress, *, repair: bool) -> Report:
    """Compare MLflow with the ledger of `model`; with `repair`, mend what can be mended, record it and queue an alert.

    Raises:
        PassingFault: MLflow or the ledger is away; what was mended by then stays so.
    """
    ledger = Ledger.open(settings, model)
    work = _Reconciling(settings, ledger, Registry.of(settings), say, repair)
    work.versions()
    work.aliases()
    report = Report(model, tuple(work.findings))
    for item in report.findings:
        say(item.sentence)
    if repair and report.findings:
        _tell(settings, ledger, report)
    return report


@dataclass
class _Reconciling:
    settings: Settings
    ledger: Ledger
    registry: Registry
    say: Progress
    repair: bool
    findings: list[Finding] = field(default_factory=list)

    def versions(self) -> None:
        """Champions, past and present, that are gone or edited; and versions that the ledger knows nothing of."""
        known, runs = seen.versions(self.registry, self.ledger.model), self.ledger.tags("runs/")
        reigned = {item.version: item for item in reversed(champions.history(self.ledger)) if item.tag in runs}
        for number, record in sorted(reigned.items()):
            self._champion(record, known.get(number), {item.tag for item in known.values()})
        hashes = self._hashes(runs)
        for number, item in sorted(known.items()):
            if number not in reigned and not item.retired:
                self._other(item, hashes)

    def aliases(self) -> None:
        """`champion` and `previous`, as the ledger says."""
        model, standing = self.ledger.model, champions.current(self.ledger)
        found = self.registry.aliases(model)
        runs = {"champion": standing, "previous": standing.previous if standing else None}
        for alias, wanted in runs.items():
            there = found.get(alias)
            number = (self.registry.version_of(model, f"runs/{wanted.run}") or wanted.version) if wanted else None
            if there == number:
                continue
            what = f"alias {alias} is {_version(there)}, the ledger says {_version(number)}"
            if number is None:
                self._found("alias", what, lambda name=alias: seen.drop_alias(self.registry, model, name))
            else:
                self._found("alias", what, lambda a=alias, n=number: self._alias(a, n))

    def _champion(self, record: Champion, item: Seen | None, tags: set[str]) -> None:
        if item is None or item.retired:
            # Registered again under another number before, it is there.
            if record.tag not in tags and not self._registering(record):
                self._found("deleted", f"version {record.version} is gone", lambda: self._register(record))
            return
        if (item.tag, item.sha256) != (record.tag, record.model_sha256):
            what = (
                f"version {record.version} claims to be {item.tag or 'nothing'} with {item.sha256[:12] or 'no sha256'}"
            )
            mend = (record.version, record.tag, record.model_sha256)
            self._found("edited", what, lambda: seen.mend(self.registry, self.ledger.model, *mend))
        if item.logged is not None and item.source != item.logged:
            self._found("edited", f"version {record.version} points to {item.source}", lambda: self._anew(record))

    def _other(self, item: Seen, hashes: dict[str, str]) -> None:
        """A version that never was champion: nothing uses it, so it is named and left."""
        if item.tag not in hashes:
            what = f"version {item.version} claims to be {item.tag or 'nothing'}, which is no run of the ledger"
            self.findings.append(Finding("foreign", what, why="nothing of ours uses it; delete it"))
        elif item.sha256 != hashes[item.tag]:
            mend = (item.version, item.tag, hashes[item.tag])
            what = f"version {item.version} claims another sha256 than its run's"
            self._found("edited", what, lambda: seen.mend(self.registry, self.ledger.model, *mend))

    def _hashes(self, runs: dict[str, str]) -> dict[str, str]:
        """The ledger's tag of each finished run to the sha256 of its model."""
        found = self.ledger.read_many((commit, GATES) for commit in runs.values())
        read = {tag: json.loads(found[commit, GATES] or b"{}") for tag, commit in runs.items()}
        return {tag: str(gates.get("model_sha256")) for tag, gates in read.items()}

    def _registering(self, record: Champion) -> bool:
        standing = lease.read(self.ledger)
        return standing is not None and standing.holder(datetime.now(UTC)) == record.run

    def _alias(self, alias: str, version: int) -> None:
        if version not in seen.versions(self.registry, self.ledger.model):
            raise _CannotError(f"there is no version {version} to point at")
        self.registry.set_alias(self.ledger.model, alias, version)

    def _anew(self, record: Champion) -> None:
        seen.retire(self.registry, self.ledger.model, record.version, "its source was changed; registered again")
        self._register(record)

    def _register(self, record: Champion) -> None:
        """Register a run again from the ledger. MLflow gives a deleted number to nobody, so it gets a new one."""
        from pipelines.ledger.lockfile import Pipeline
        from pipelines.ledger.workspace import Workspace
        from pipelines.runs.record import entry_of
        from pipelines.runs.register import STAGES

        with Workspace.open(self.settings, self.ledger, record.run) as workspace:
            pipeline = Pipeline(self.ledger, workspace.head)
            workspace.check_out([out for stage in STAGES for out in pipeline.outs(stage)])
            number = self.registry.register(entry_of(workspace.root, self.ledger.model, record.run))
        self.say(f"run {record.run} is version {number} now; the ledger calls it {record.version}")

    def _found(self, kind: Kind, what: str, mend: Any) -> None:
        if not self.repair:
            self.findings.append(Finding(kind, what))
            return
        try:
            mend()
        except PassingFault:
            raise
        except (EvergreenError, _CannotError) as error:
            self.findings.append(Finding(kind, what, why=f"cannot be repaired, {error}"))
        else:
            self.findings.append(Finding(kind, what, repaired=True))


class _CannotError(Exception):
    """What would be pointed at is not there."""


def _version(number: int | None) -> str:
    return "none" if number is None else f"version {number}"


def _tell(settings: Settings, ledger: Ledger, report: Report) -> None:
    """Record it and queue alerts: what was repaired each time it happens, what is left once until it changes."""
    now = datetime.now(UTC)
    left = [item.sentence for item in report.findings if not item.repaired]
    mended = [item.sentence for item in report.findings if item.repaired]
    mark = hashlib.sha256("\n".join(left).encode()).hexdigest()[:16]
    key = f"reconcile {now.isoformat()}" if mended else f"reconcile {mark}"
    decisions.record(ledger, "reconcile", report.to_json(), key=key, now=now)
    if "registry" not in load_model(find_model(settings.models, ledger.model)).alerts.on:
        return
    title = f"{ledger.model}: MLflow was not what the ledger says"
    if mended:
        text = "\n".join(mended)
        outbox.queue(ledger, Alert("registry", "warning", title, text, f"registry {now.isoformat()}"))
    if left:
        text = "\n".join(left)
        outbox.queue(ledger, Alert("registry", "failure", f"{title}, and is not", text, f"registry {mark}"))

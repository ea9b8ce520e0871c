"""`evergreen reconcile`: what in MLflow is not what the ledger says, by whomever; repaired, recorded, and told."""

from __future__ import annotations

import hashlib
import shutil
from collections.abc import Callable
from dataclasses import dataclass, field
from datetime import UTC, datetime
from functools import cached_property, partial
from typing import Any

from pipelines.config.load import find_model, load_model
from pipelines.config.settings import Settings
from pipelines.errors import EvergreenError, IntegrityError, PassingFault, shorten
from pipelines.ledger import broken, challengers, decisions, lease, outbox
from pipelines.ledger import champion as champions
from pipelines.ledger.champion import Champion, Previous
from pipelines.ledger.git import Ledger
from pipelines.ledger.outbox import Alert
from pipelines.ledger.outs import fetch_files
from pipelines.night.scratch import scratch_folder
from pipelines.registry import Registry
from pipelines.release import publication, seen
from pipelines.release.findings import Finding, Kind, Report
from pipelines.release.seen import Seen
from pipelines.stages.context import Progress
from pipelines.storage.files import sha256_file

RELEASE = "out/train/release.json"
# What MLflow calls the file that `RELEASE` becomes, in a version from before publications.
LOGGED = "model.json"


def reconcile(settings: Settings, model: str, say: Progress, *, repair: bool) -> Report:
    """Compare MLflow with the ledger of `model`; with `repair`, mend what can be mended, record it and queue an alert.

    Raises:
        PassingFault: MLflow or the ledger is away; what was mended by then stays so.
    """
    ledger = Ledger.open(settings, model)
    work = _Reconciling(settings, ledger, Registry.of(settings), say, repair)
    work.runs()
    work.versions()
    work.models()
    work.kinds()
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

    def runs(self) -> None:
        """Runs of the ledger that cannot be read: as good as refused, and told until somebody sets them aside."""
        faults = broken.find(self.ledger) | {f"runs/{run}": fault for run, fault in self._unusable.items()}
        if self.repair:
            broken.note(self.ledger, faults)
        for ref, fault in sorted(faults.items()):
            run = ref.partition("/")[2]
            why = f"`evergreen discard {self.ledger.model} {run}` sets it aside"
            self.findings.append(Finding("broken", f"run {run} cannot be read: {fault}", why=why))

    def versions(self) -> None:
        """What is gone or edited of all that passed, and versions that the ledger knows nothing of."""
        known, runs = self._known(), self.ledger.tags("runs/")
        gates = self._judged()
        unread = runs.keys() - {f"runs/{run}" for run in gates}
        reigned = {item.version: item for item in reversed(champions.history(self.ledger)) if item.tag in runs}
        tags = {item.tag for item in known.values()}
        for number, record in sorted(reigned.items()):
            self._champion(record, known.get(number), tags)
        hashes = {f"runs/{run}": str(answer.get("model_sha256")) for run, answer in gates.items()}
        for number, item in sorted(known.items()):
            # Of a run that cannot be read nobody knows what its version should be.
            if number not in reigned and not item.retired and item.tag not in unread:
                self._other(item, hashes)
        crowned = {item.run for item in reigned.values()}
        waiting = [run for run, answer in gates.items() if answer.get("passed") is True and run not in crowned]
        for run in sorted(waiting):
            if f"runs/{run}" not in tags and not self._registering(run):
                self._found("deleted", f"the version of run {run} is gone", partial(self._register, run))

    def models(self) -> None:
        """The bytes in MLflow of the champion and the one before: what somebody may load who trusts an alias."""
        standing, known = champions.current(self.ledger), self._known()
        for wanted in (standing, standing.previous if standing else None):
            item = known.get(self._number(wanted)) if wanted else None
            if wanted is None or item is None or item.retired or item.logged not in (None, item.source):
                continue  # there is none, or it was found before
            if item.logged is None:
                why = "restore MLflow's artifacts from a backup; the ledger has the model itself"
                what = f"what the run of version {item.version} logged is gone from MLflow"
                self.findings.append(Finding("deleted", what, why=why))
                continue
            if not item.old:
                self._published(item, wanted)
                continue
            found = self._bytes(item.logged)
            if found != wanted.model_sha256:
                what = f"{LOGGED} of version {item.version} has {found[:12] or 'no bytes'}"
                what = f"{what}, the ledger says {wanted.model_sha256[:12]}"
                self._found("edited", what, partial(self._put, item, wanted))

    def kinds(self) -> None:
        """Versions from before publications, whose model only Evergreen can ask."""
        known = self._known()
        old = [number for number, item in sorted(known.items()) if item.old and item.tag and not item.retired]
        if old:
            what = f"version {', '.join(map(str, old))} is of the old kind: it scores right in Evergreen alone"
            self.findings.append(Finding("old", what, why=f"`evergreen republish {self.ledger.model}`"))

    def aliases(self) -> None:
        """`champion`, `previous` and `challenger`, as the ledger says."""
        standing = champions.current(self.ledger)
        wanted = {"champion": standing, "previous": standing.previous if standing else None}
        numbers = {alias: self._number(item) if item else None for alias, item in wanted.items()}
        challenger = challengers.newest(self._judged())
        if challenger is None or not self._registering(challenger):
            tag = f"runs/{challenger}"
            numbers["challenger"] = self.registry.version_of(self.ledger.model, tag) if challenger else None
        found = self.registry.aliases(self.ledger.model)
        for alias, number in numbers.items():
            if found.get(alias) == number:
                continue
            what = f"alias {alias} is {_version(found.get(alias))}, the ledger says {_version(number)}"
            if number is None:
                self._found("alias", what, partial(seen.drop_alias, self.registry, self.ledger.model, alias))
            else:
                self._found("alias", what, partial(self._alias, alias, number))

    def _judged(self) -> dict[str, dict[str, Any]]:
        """The gates of finished runs, by run; not of those that nothing can be made of."""
        gates = challengers.judged(self.ledger)
        return {run: answer for run, answer in gates.items() if run not in self._unusable}

    @cached_property
    def _unusable(self) -> dict[str, str]:
        """Of the runs that passed and have no version, those of which another record cannot be read, and why."""
        tags = {item.tag for item in self._known().values()}
        passed = [run for run, answer in challengers.judged(self.ledger).items() if answer.get("passed") is True]
        waiting = [run for run in passed if f"runs/{run}" not in tags]
        return {run: fault for run in waiting if (fault := broken.look(self.ledger, run))}

    def _known(self) -> dict[int, Seen]:
        return seen.versions(self.registry, self.ledger.model)

    def _number(self, wanted: Champion | Previous) -> int:
        """The number under which MLflow has it: another one where it was registered again."""
        return self.registry.version_of(self.ledger.model, f"runs/{wanted.run}") or wanted.version

    def _champion(self, record: Champion, item: Seen | None, tags: set[str]) -> None:
        if item is None or item.retired:
            # Registered again under another number before, it is there.
            if record.tag not in tags and not self._registering(record.run):
                self._found("deleted", f"version {record.version} is gone", lambda: self._register(record.run))
            return
        if (item.tag, item.sha256) != (record.tag, record.model_sha256):
            what = (
                f"version {record.version} claims to be {item.tag or 'nothing'} with {item.sha256[:12] or 'no sha256'}"
            )
            mend = (record.version, record.tag, record.model_sha256)
            self._found("edited", what, lambda: seen.mend(self.registry, self.ledger.model, *mend))
        if item.logged is not None and item.source != item.logged:
            self._moved(item, record.run)
            return  # registered anew it has a card of its own
        self._card(item, record.run)

    def _other(self, item: Seen, hashes: dict[str, str]) -> None:
        """A version that never was champion. What no run of the ledger made is named and left: nothing uses it."""
        if item.tag not in hashes:
            what = f"version {item.version} claims to be {item.tag or 'nothing'}, which is no run of the ledger"
            self.findings.append(Finding("foreign", what, why="nothing of ours uses it; delete it"))
        elif item.sha256 != hashes[item.tag]:
            mend = (item.version, item.tag, hashes[item.tag])
            what = f"version {item.version} claims another sha256 than its run's"
            self._found("edited", what, lambda: seen.mend(self.registry, self.ledger.model, *mend))
        if item.tag not in hashes:
            return
        run = item.tag.removeprefix("runs/")
        if item.logged is not None and item.source != item.logged and not self._registering(run):
            self._moved(item, run)
        else:
            self._card(item, run)

    def _moved(self, item: Seen, run: str) -> None:
        """A version that points to other bytes than its run has logged."""
        self._found("edited", f"version {item.version} points to {item.source}", lambda: self._anew(item.version, run))

    def _card(self, item: Seen, run: str) -> None:
        """The card's address on a version; mended by making the card again, so that what it names is one."""
        from pipelines.card.make import NAME

        wanted = f"runs:/{item.run}/{NAME}"
        if item.run and item.card != wanted and not self._registering(run):
            what = f"the card of version {item.version} is at {shorten(item.card, 100) or 'no address'}"
            self._found("edited", what, lambda: self._publish(item.version, run))

    def _registering(self, run: str) -> bool:
        """Whether the run is at work: it gives the lease back once it has its version and its card."""
        standing = lease.read(self.ledger)
        return standing is not None and standing.holder(datetime.now(UTC)) == run

    def _alias(self, alias: str, version: int) -> None:
        if version not in self._known():
            raise _CannotError(f"there is no version {version} to point at")
        self.registry.set_alias(self.ledger.model, alias, version)

    def _anew(self, version: int, run: str) -> None:
        seen.retire(self.registry, self.ledger.model, version, "its source was changed; registered again")
        self._register(run)

    def _register(self, run: str) -> None:
        """Register a run again from the ledger. MLflow gives a deleted number to nobody, so it gets a new one."""
        from pipelines.ledger.workspace import Workspace
        from pipelines.runs.register import entry

        with Workspace.open(self.settings, self.ledger, run) as workspace:
            number = self.registry.register(entry(workspace))
        self._publish(number, run)
        self.say(f"run {run} is version {number} now")

    def _publish(self, version: int, run: str) -> None:
        from pipelines.ledger.workspace import Workspace
        from pipelines.runs.register import card_of

        with Workspace.open(self.settings, self.ledger, run) as workspace:
            card_of(self.settings, workspace, self.registry, version)

    def _bytes(self, place: str) -> str:
        """The sha256 of the model's file as MLflow gives it out; empty where it has none."""
        with scratch_folder(self.settings, "reconcile") as folder:
            file = self.registry.fetch(place, LOGGED, folder)
            return sha256_file(file) if file else ""

    def _published(self, item: Seen, wanted: Champion | Previous) -> None:
        """What is published of a version: as the gate asked it, or as it would be published today."""
        with scratch_folder(self.settings, "reconcile") as folder:
            try:
                right = publication.of_run(self.settings, self.ledger, wanted.run, folder)
            except IntegrityError as error:
                what = f"what is published of version {item.version} cannot be compared"
                self.findings.append(Finding("edited", what, why=error.line()))
                return
            differing = self.registry.differing(str(item.logged), right)
        if differing:
            what = f"{shorten(', '.join(differing))} of version {item.version} is not what the ledger says"
            self._found("edited", what, partial(self._republish, item, wanted))

    def _republish(self, item: Seen, wanted: Champion | Previous) -> None:
        with scratch_folder(self.settings, "reconcile") as folder:
            right = publication.of_run(self.settings, self.ledger, wanted.run, folder)
            if right.signature.model_sha256 != wanted.model_sha256:
                raise _CannotError("the ledger's own bytes are not those that it names")
            self.registry.put(str(item.model_id), right)

    def _put(self, item: Seen, wanted: Champion | Previous) -> None:
        """Put the ledger's bytes in the place of MLflow's."""
        with scratch_folder(self.settings, "reconcile") as folder:
            fetch_files(self.settings, self.ledger, f"runs/{wanted.run}", {RELEASE: folder / "release.json"})
            # A copy: what was fetched is the cache's own, read-only file, and MLflow would keep it so.
            shutil.copyfile(folder / "release.json", folder / LOGGED)
            if sha256_file(folder / LOGGED) != wanted.model_sha256:
                raise _CannotError("the ledger's own bytes are not those that it names")
            seen.put_model(self.registry, item, folder / LOGGED)
        if self._bytes(str(item.logged)) != wanted.model_sha256:
            raise _CannotError("MLflow did not take the ledger's bytes")

    def _found(self, kind: Kind, what: str, mend: Callable[[], None]) -> None:
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
    """What would mend it is not there, or did not."""


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
    unreadable = all(item.kind == "broken" for item in report.findings)
    if mended:
        text = "\n".join(mended)
        outbox.queue(ledger, Alert("registry", "warning", title, text, f"registry {now.isoformat()}"))
    if left:
        text = "\n".join(left)
        title = f"{ledger.model}: runs of the ledger cannot be read" if unreadable else f"{title}, and is not"
        outbox.queue(ledger, Alert("registry", "failure", title, text, f"registry {mark}"))

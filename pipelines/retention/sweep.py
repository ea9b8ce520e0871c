"""`evergreen gc`: ends runs, then takes what nothing needs off its place, looks again, and forgets what waited long.

Killed at any point it has lost nothing that is needed, and the next one goes on: refs go before bytes, bytes go to the
shelf first, and what a run named meanwhile comes back from there.
"""

from __future__ import annotations

import shutil
from collections.abc import Sequence
from contextlib import suppress
from dataclasses import replace
from datetime import UTC, datetime

from pipelines.config import names
from pipelines.config.settings import Settings
from pipelines.errors import InputError, LeaseHeld, PushRefused, UnreadableRecord
from pipelines.ledger import lease, reader
from pipelines.ledger.git import Ledger
from pipelines.ledger.locks import locked
from pipelines.ledger.objects import Objects, open_objects
from pipelines.ledger.refs import all_ledgers, delete
from pipelines.ledger.swap import Changes, swap
from pipelines.registry import Registry
from pipelines.retention import predictions
from pipelines.retention.kept import TAG, protected
from pipelines.retention.marks import Marks, erasures
from pipelines.retention.plan import Grace, ModelPlan, Plan, ended_before, make_plan, sweeping
from pipelines.retention.projection import removable
from pipelines.stages.context import Progress
from pipelines.storage.files import json_bytes


def open_all(settings: Settings, models: Sequence[str] = ()) -> list[Ledger]:
    """Every ledger that shares the remote, freshly fetched; `models` says which those are where no server lists them.

    Raises:
        InputError: `models` lacks one that is there.
        PassingFault: one cannot be reached.
    """
    found = sorted(set(models)) if models else all_ledgers(settings)
    if models and "://" not in settings.ledgers and set(found) != set(all_ledgers(settings)):
        raise InputError("--ledger must name every ledger that shares the remote", where=settings.ledgers)
    return [Ledger.open(settings, name) for name in found]


def plan(settings: Settings, ledgers: Sequence[Ledger], grace: Grace) -> Plan:
    """What `apply` would do now; raises as `make_plan` does."""
    return make_plan(settings, ledgers, open_objects(settings), grace)


def apply(settings: Settings, planned: Plan, grace: Grace, say: Progress) -> Plan:
    """Do it. What it did with the objects is in the plan that is returned: they are looked at anew.

    Raises:
        LeaseHeld: another gc of this machine is at work.
        InputError: our role may not end runs.
        PassingFault: something cannot be reached; the next one goes on.
    """
    with locked(settings.home / "gc.lock", seconds=0, what="retention"):
        ledgers, objects = [item.ledger for item in planned.models], open_objects(settings)
        for item in planned.models:
            if not item.broken:
                _end_runs(item, say)
                _heal(item.ledger, say)
        say("marking what every ref needs")
        done = _look(settings, planned.models, objects, grace)
        say(f"sweeping: {len(done.shelve)} to the shelf, {len(done.erase)} erased")
        _sweep(settings, done, objects, grace)
        say("looking again")
        again = _look(settings, planned.models, objects, grace)
        for why in again.unsure:
            say(f"no object is removed: {why}")
        for stored in again.restore:
            objects.restore(stored.oid)
        say(f"back from the shelf: {len(again.restore)}; forgotten: {len(again.forget)}")
        for stored in again.forget:
            objects.forget(stored.oid)
        say("MLflow, predictions and workspaces of what has ended")
        _project(settings, planned.models, say)
        _clear(settings, ledgers, say)
        return replace(done, restore=again.restore, forget=again.forget, unsure=again.unsure)


def _end_runs(item: ModelPlan, say: Progress) -> None:
    """Say in `decisions` that a run ends, which the server demands, then delete its refs."""
    ledger = item.ledger
    if not item.fates.ended:
        return
    at = datetime.now(UTC).isoformat()
    records = {
        f"retention/{run}.json": json_bytes({"run": run, "refs": refs, "at": at})
        for run, refs in item.fates.ended.items()
    }

    def change(head: str | None) -> Changes:
        known = ledger.read_many((head, path) for path in records) if head else {}
        return {path: content for path, content in records.items() if not head or known[head, path] is None}

    swap(ledger, "decisions", change, f"Retention ends {len(records)} runs\n")
    for run, refs in item.fates.ended.items():
        holder = lease.read(ledger)
        if holder is not None and holder.holder(datetime.now(UTC)) == run:
            continue  # somebody took it up meanwhile
        say(f"{ledger.model}: ending run {run}")
        try:
            delete(ledger, refs)
        except PushRefused:
            say(f"{ledger.model}: run {run} has moved, it stays")
        except InputError as error:
            if "the champion or the one before" not in error.what:
                raise
            say(f"{ledger.model}: run {run} became champion, it stays")


def _heal(ledger: Ledger, say: Progress) -> None:
    """Give a run back its tag that became champion, or was pinned, in the moment in which retention ended it."""
    for run in protected(ledger):
        commit = _ended_at(ledger, run) if ledger.head(f"runs/{run}") is None else None
        if commit:
            say(f"{ledger.model}: run {run} is needed, its tag comes back")
            ledger.tag(f"runs/{run}", commit)


def _ended_at(ledger: Ledger, run: str) -> str | None:
    """The commit whose tag retention has deleted; None: it has deleted none of this run."""
    found = reader.record(ledger, "decisions", f"retention/{run}.json")
    return None if found.missing else found.fields().inside("refs").get(f"{TAG}{run}", str, None)


def _look(settings: Settings, models: tuple[ModelPlan, ...], objects: Objects, grace: Grace) -> Plan:
    """The plan by the refs as they are now."""
    ledgers = [item.ledger for item in models]
    for ledger in ledgers:
        ledger.fetch()
    return sweeping(models, Marks.of(settings, ledgers), objects, grace, datetime.now(UTC))


def _sweep(settings: Settings, plan: Plan, objects: Objects, grace: Grace) -> None:
    before = datetime.now(UTC).timestamp() - grace.young.total_seconds()
    for stored in plan.shelve:
        objects.shelve(stored.oid, before)
    for stored in plan.erase:
        objects.erase(stored.oid)
        # DVC's layout of a cache is that of a remote.
        (settings.cache / "files" / "md5" / stored.oid[:2] / stored.oid[2:]).unlink(missing_ok=True)


def _project(settings: Settings, models: tuple[ModelPlan, ...], say: Progress) -> None:
    """MLflow and predictions, after the ledger: what it no longer has they need not show."""
    for item in models:
        if item.broken:
            continue
        model, gone = item.ledger.model, ended_before(item.ledger)
        versions = removable(Registry.of(settings), model, gone, remove=True)
        predictions.remove(settings, model, item.files)
        if versions or item.files:
            say(f"{model}: {len(versions)} versions and {len(item.files)} files of predictions removed")


def _clear(settings: Settings, ledgers: Sequence[Ledger], say: Progress) -> None:
    """Remove this machine's folders of runs that have ended or whose rows were erased; not one that is at work."""
    for ledger in ledgers:
        touched = ended_before(ledger)
        try:
            touched |= {run for value in erasures(ledger).values() for run in value["runs"] if names.is_run_id(run)}
        except UnreadableRecord as error:
            say(f"{ledger.model}: {error.line()}")
        for run in touched:
            root = settings.workspaces / ledger.model / run
            if root.is_dir():
                with suppress(LeaseHeld), locked(root.with_name(f"{run}.lock"), seconds=0, what=f"run {run}"):
                    shutil.rmtree(root)

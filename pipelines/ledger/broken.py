"""Runs that cannot be read: half-written, damaged or forged. Named, recorded once, set aside by a person.

A tag never moves, so a broken run stays what it is. It is as good as refused: nobody can promote it, and it answers for
no other run. Its refusal is recorded once; `discard` records that somebody has seen it, and ends the reports.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from pydantic import ValidationError

from pipelines.config import names
from pipelines.config.params import RunParams
from pipelines.errors import InputError, IntegrityError, NothingToDo, UnreadableRecord, shorten
from pipelines.ledger import decisions, reader, runs
from pipelines.ledger.git import Ledger
from pipelines.ledger.lockfile import Pipeline
from pipelines.ledger.store import Store
from pipelines.storage import bounded

KIND = "discard"
REMEDY = "look who wrote it; `evergreen discard` ends the run"
_TAGS, _BRANCHES = "runs/", "run/"


def find(ledger: Ledger, *, missing: bool = True) -> dict[str, str]:
    """Ref to what is wrong with it, of every run that cannot be read and is not set aside, as of the last fetch.

    Of each finished run what others are held against: its request, its gates, and whom it was judged against. Without
    `missing` a record that is not there is no fault: it can need nothing.
    """
    done, begun = runs.finished(ledger), runs.unfinished(ledger)
    both = (*done.values(), *begun.values())
    wanted = [(commit, path) for path in (reader.REQUEST, reader.JUDGED) for commit in both]
    found = reader.records(ledger, [*wanted, *((commit, reader.GATES) for commit in done.values())])
    faults = _misnamed(ledger)
    for kind, known in ((_TAGS, done), (_BRANCHES, begun)):
        for run, commit in known.items():
            fault = _fault(found, commit, finished=kind == _TAGS, missing=missing)
            if fault:
                faults[f"{kind}{run}"] = fault
    if faults:
        aside = discarded(ledger)
        faults = {ref: fault for ref, fault in faults.items() if ref.rpartition("/")[2] not in aside}
    return faults


def look(ledger: Ledger, run_id: str, store: Store | None = None) -> str:
    """What is wrong with any record of run `run_id`, finished or not; empty: nothing is.

    With `store`, the lists of its folders are looked at, too.

    Raises:
        InputError: there is no such run.
    """
    tagged, branch = ledger.head(f"{_TAGS}{run_id}"), ledger.head(f"{_BRANCHES}{run_id}")
    head = tagged or branch
    if head is None:
        raise InputError(f"there is no run {run_id}", where=ledger.url, remedy="copy its id from `evergreen status`")
    paths = (reader.REQUEST, reader.JUDGED, *((reader.GATES, reader.METRICS) if tagged else ()))
    found = reader.records(ledger, ((head, path) for path in paths))
    try:
        told = _fault(found, head, finished=tagged is not None)
        if told:
            return told
        params(reader.record(ledger, head, "params.yaml"))
        pipeline = Pipeline(ledger, head)
        for path in ("code.json", "window.json", "model/model.yaml", *((reader.METRICS,) if tagged else ())):
            reader.record(ledger, head, path).fields()
        outs = [out for stage in pipeline.stages for out in pipeline.outs(stage)]
        for out in outs if store else ():
            if store and out.md5.endswith(".dir"):
                store.folder(out.md5)
    except IntegrityError as error:
        return _sentence(error)
    return ""


def params(found: reader.Record) -> RunParams:
    """The parameters in a run's `params.yaml`.

    Raises:
        UnreadableRecord: it is missing, or not what opening a run writes.
    """
    value = found.value(limit=reader.EVIDENCE_LIMIT)
    try:
        return RunParams.model_validate(value)
    except ValidationError as error:
        first = error.errors(include_url=False, include_input=False)[0]
        told = f"{'.'.join(map(str, first['loc']))}: {first['msg']}"
        raise bounded.unreadable(f"holds no parameters of a run: {shorten(told, 120)}", found.where) from None


def note(ledger: Ledger, faults: Mapping[str, str]) -> None:
    """Record a refusal of each broken run, once for each: of one that is on record nothing more is written.

    Raises:
        PassingFault: the ledger cannot be reached, or never stood still.
    """
    for ref, fault in faults.items():
        run = ref.rpartition("/")[2]
        body = {"run": run, "by": "reader", "reason": f"it cannot be read: {fault}"}
        decisions.record(ledger, decisions.REFUSAL, body, key=f"{ref} cannot be read")


def discarded(ledger: Ledger) -> dict[str, str]:
    """Run id to reason of the runs that somebody has set aside, as of the last fetch."""
    found = decisions.find(ledger, KIND, limit=decisions.ALL, skip=True)
    return {str(item.get("run")): str(item.get("reason")) for item in found}


def discard(ledger: Ledger, run_id: str, reason: str, by: str, store: Store | None = None) -> dict[str, Any]:
    """Set run `run_id` aside, which is broken or was never finished: it is not taken up, nor reported, any more.

    Raises:
        InputError: there is no such run, it is finished and sound, or no reason is given.
        NothingToDo: it is set aside already.
        PassingFault: the ledger cannot be reached, or never stood still.
    """
    if not reason.strip():
        raise InputError("is empty", where="--reason", remedy="say why, for whoever asks later")
    if run_id in discarded(ledger):
        raise NothingToDo(f"run {run_id} is set aside already", where=ledger.model)
    named = any(ref.rpartition("/")[2] == run_id for ref in _misnamed(ledger))
    fault = "its name is no run's" if named else look(ledger, names.check_run_id(run_id), store)
    finished = not named and ledger.head(f"{_TAGS}{run_id}") is not None
    if finished and not fault:
        raise InputError(
            f"run {run_id} is finished and can be read", where=ledger.model, remedy="`evergreen reject` refuses it"
        )
    body = {"run": run_id, "reason": reason.strip()[:1000], "by": by, "fault": fault or "it was not finished"}
    return decisions.record(ledger, KIND, body, key=run_id)


def _fault(found: Mapping[tuple[str, str], reader.Record], commit: str, *, finished: bool, missing: bool = True) -> str:
    looks = {reader.REQUEST: reader.request_of, reader.JUDGED: reader.judged_against}
    looks |= {reader.GATES: reader.gates_of} if finished else {}
    try:
        for path, look_at in looks.items():
            if not found[commit, path].missing:
                look_at(found[commit, path])
            elif missing:
                return f"{path} is missing"
    except UnreadableRecord as error:
        return _sentence(error)
    return ""


def _misnamed(ledger: Ledger) -> dict[str, str]:
    """Refs where runs are, whose names are no run's."""
    refs = [*ledger.tags(_TAGS), *ledger.branches(_BRANCHES)]
    bad = [ref for ref in refs if not names.is_run_id(ref.partition("/")[2])]
    return dict.fromkeys(bad, "its name is no run's")


def _sentence(error: IntegrityError) -> str:
    return shorten(f"{error.where.rpartition(': ')[2]} {error.what}", 200)

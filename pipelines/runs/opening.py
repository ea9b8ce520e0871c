"""Opening a run: from what is asked and what the ledger holds, to a run branch; nothing twice."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

from pipelines.config import names
from pipelines.config.load import find_model, load_model
from pipelines.config.model import Model
from pipelines.config.names import Promotion
from pipelines.config.params import RunParams
from pipelines.config.settings import Settings
from pipelines.errors import ConfigError, DataError, InputError, NothingToDo, UnreadableRecord, shorten
from pipelines.ledger import broken, lease, reader, runs
from pipelines.ledger import champion as champions
from pipelines.ledger.git import Ledger
from pipelines.ledger.manifest import load_manifest
from pipelines.runs import stamps
from pipelines.runs.request import Request


@dataclass(frozen=True)
class Plan:
    """A request resolved against the model folder and the ledger: what would be run, on which commit of `data`."""

    model: str
    folder: Path
    params: RunParams
    request: dict[str, Any]
    data_commit: str
    recipe: str


@dataclass(frozen=True)
class Earlier:
    """A finished run of the same recipe, and what is left to do with it."""

    run_id: str
    passed: bool
    settled: bool
    sentence: str


def plan(settings: Settings, ledger: Ledger, request: Request) -> Plan:
    """What `request` means now.

    Raises:
        ConfigError: the model folder or the request is wrong.
        DataError: the ledger holds no data yet.
    """
    folder = find_model(settings.models, ledger.model)
    model = request.overrides.apply(load_model(folder))
    commit = ledger.head("data")
    if commit is None:
        raise _no_data(ledger)
    params = RunParams.of(ledger.model, model, request.as_of or _newest_day(ledger, model, commit))
    return Plan(
        model=ledger.model,
        folder=folder,
        params=params,
        request={
            "promotion": _mode(model, request).value,
            "note": request.note,
            "caller": request.key,
            "data_commit": commit,
        },
        data_commit=commit,
        recipe=runs.recipe_of(settings, ledger, params, folder, commit),
    )


def _mode(model: Model, request: Request) -> Promotion:
    """What is asked for, where model.yaml allows no less; `promote` looks again."""
    asked, declared = request.promotion or model.promotion, model.promotion
    if names.strictest(asked, declared) is not asked:
        who = "a person must approve what" if declared is Promotion.MANUAL else "nothing"
        raise ConfigError(
            f"{who} becomes champion of this model, whose model.yaml says {declared.value}",
            where=f"promotion: {asked.value}",
            remedy="ask for a stricter mode (dry_run, manual), or change model.yaml"
            if declared is Promotion.MANUAL
            else "ask for dry_run, or change model.yaml",
        )
    return asked


def earlier(ledger: Ledger, planned: Plan) -> Earlier | None:
    """The newest finished run of the same recipe under the same champion and mode, if there is one.

    A run that cannot be read answers nothing; its refusal is recorded, and an older one may answer.
    """
    faults = broken.find(ledger)
    broken.note(ledger, faults)
    unfit = broken.discarded(ledger).keys() | {ref.removeprefix("runs/") for ref in faults}
    same = next((run for run in runs.all_same(ledger, planned.recipe) if run.id not in unfit), None)
    return _earlier(ledger, planned, same) if same else None


def _earlier(ledger: Ledger, planned: Plan, same: runs.Run) -> Earlier | None:
    if same.request.get("promotion") != planned.request["promotion"]:
        return None
    champion = champions.current(ledger)
    if champion is not None and champion.run == same.id:
        return Earlier(
            same.id, True, True, f"run {same.id} did exactly this and is champion version {champion.version}"
        )
    gates = reader.gates_of(reader.record(ledger, same.head, reader.GATES))
    judged = reader.judged_against(reader.record(ledger, same.head, reader.JUDGED)) or {}
    if judged.get("run") != (champion.run if champion else None):
        return None  # another champion: the same challenger may be judged anew
    if not gates.get("passed"):
        return Earlier(same.id, False, True, f"run {same.id} did exactly this and was refused")
    waits = planned.request["promotion"] != Promotion.AUTO
    return Earlier(
        same.id, True, waits, f"run {same.id} did exactly this and passed; promotion is {same.request['promotion']}"
    )


def open_run(settings: Settings, ledger: Ledger, run_id: str, request: Request) -> runs.Run:
    """Run `run_id`, opened now or before; the caller holds the lease.

    Raises:
        NothingToDo: a finished run of the same recipe answers the same question, though it may not be promoted yet.
        InputError: the id stands for another recipe.
    """
    begun = runs.find(ledger, run_id)
    if begun is not None:
        if not begun.finished and (why := broken.discarded(ledger).get(run_id)) is not None:
            raise InputError(
                f"run {run_id} was set aside: {shorten(why)}", where=ledger.model, remedy="begin a new run"
            )
        return begun
    planned = plan(settings, ledger, request)
    known = earlier(ledger, planned)
    if known is not None:
        remedy = "new data, code or parameters make a new run"
        if not known.settled:
            remedy = f"its promotion is under way; if that was lost, {ledger.model}__promote with this run does it"
        raise NothingToDo(known.sentence, where=ledger.model, remedy=remedy)
    return begin(settings, ledger, run_id, planned)


def begin(settings: Settings, ledger: Ledger, run_id: str, planned: Plan) -> runs.Run:
    """The run of `planned` under `run_id`, with what the champion said in the nights of its test days.

    Raises:
        IntegrityError: a file of predictions is not the one that its night recorded.
        PassingFault: ledger, remote or predictions cannot be reached.
    """
    params, commit = planned.params, planned.data_commit
    return runs.open_run(
        settings,
        ledger,
        run_id,
        planned.params,
        planned.request,
        planned.folder,
        planned.data_commit,
        stamped=lambda standing: stamps.pinned(settings, ledger, params, commit, standing),
    )


def resumable(ledger: Ledger, planned: Plan) -> str | None:
    """The id of an unfinished run of the same recipe: one that was killed and can go on where it stood.

    Not one that cannot be read, or that somebody has set aside.
    """
    begun = runs.unfinished(ledger)
    if not begun:
        return None
    champion = champions.current(ledger)
    asked = (planned.recipe, planned.request["promotion"], champion.run if champion else None)
    found = reader.records(
        ledger, ((commit, path) for commit in begun.values() for path in (reader.REQUEST, reader.JUDGED))
    )
    aside = broken.discarded(ledger)
    same = [
        run_id
        for run_id, commit in begun.items()
        if run_id not in aside and _asks(found[commit, reader.REQUEST], found[commit, reader.JUDGED]) == asked
    ]
    return max(same, key=lambda run_id: run_id[11:], default=None)


def _asks(request: reader.Record, judged: reader.Record) -> tuple[str | None, str | None, str | None] | None:
    """Recipe, mode and champion that a run was begun with; None where they cannot be read."""
    try:
        asked = reader.request_of(request)
        champion = reader.judged_against(judged) or {}
    except UnreadableRecord:
        return None
    return asked.get("key"), asked.get("promotion"), champion.get("run")


def new_id(planned: Plan) -> str:
    """A fresh run id for `planned`."""
    now = datetime.now(UTC)
    return names.run_id(planned.params.span.as_of, now, f"{planned.recipe} {now.isoformat()}")


def hold(settings: Settings, ledger: Ledger, run_id: str, *, pid: int | None = None) -> int:
    """Take the model's lease for `run_id`; raises LeaseHeld when another run of the model is in progress."""
    return lease.acquire(ledger, run_id, settings.lease_seconds, pid=pid)


def _newest_day(ledger: Ledger, model: Model, commit: str) -> Any:
    days = load_manifest(ledger, commit).days(model.events)
    if not days:
        raise _no_data(ledger)
    return days[-1]


def _no_data(ledger: Ledger) -> DataError:
    return DataError(
        "no day of events is accepted yet",
        where=ledger.url,
        remedy=f"`evergreen ingest {ledger.model} --from .. --to ..`",
    )

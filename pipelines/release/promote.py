"""Promotion: a finished run whose gates passed becomes champion, first in the ledger, then in MLflow's aliases."""

from __future__ import annotations

from datetime import UTC, datetime
from typing import Any

from pipelines.config.gates import Gates
from pipelines.config.load import find_model, load_model
from pipelines.config.names import Promotion, strictest
from pipelines.config.release import Approval
from pipelines.config.settings import Settings
from pipelines.errors import ExitCode, GateRefusal, InputError, PassingFault, PushRefused, shorten
from pipelines.ledger import approvals, broken, decisions, retrainings
from pipelines.ledger import champion as champions
from pipelines.ledger.approvals import Answer
from pipelines.ledger.git import Ledger
from pipelines.registry import Registry
from pipelines.release import evidence, signed
from pipelines.stages.context import Progress, StageResult


def promote(settings: Settings, model: str, run_id: str, say: Progress) -> StageResult:
    """Make run `run_id` of `model` champion if its gates passed and its mode is not `dry_run`; may be repeated.

    The mode is the stricter of the run's and of model.yaml's. In `manual` an approval of just this run with just these
    gates must be in the ledger.

    Raises:
        InputError: the run is not finished, or nobody who may has approved it.
        IntegrityError: signers are listed, and the champion's newest commit is from none of them.
        PassingFault: the registry or the ledger is away, or the run has no version yet.
    """
    ledger = Ledger.open(settings, model)
    result = _promote(settings, ledger, model, run_id, say)
    if result.exit_code is ExitCode.REFUSED:
        retrainings.note(ledger, run_id, "refused", str(result.summary["reason"]))
    elif result.summary["promoted"]:
        retrainings.note(ledger, run_id, "promoted")
    return result


def project(settings: Settings, model: str) -> None:
    """Set MLflow's aliases from the ledger's champion."""
    standing = champions.current(Ledger.open(settings, model))
    if standing is not None:
        _show(Registry.of(settings), model, standing)


def _promote(settings: Settings, ledger: Ledger, model: str, run_id: str, say: Progress) -> StageResult:
    registry = Registry.of(settings)
    head = ledger.head("champion")
    signed.demand(ledger, head)
    standing = champions.at(ledger, head)
    if standing is not None and standing.run == run_id:
        _show(registry, model, standing)
        return _done(standing, "is champion already")
    if ledger.head(f"runs/{run_id}") is None:
        raise InputError(
            f"run {run_id} is not finished",
            where=f"ledger of {model}",
            remedy="promote a run that `evergreen status` shows",
        )
    declared = load_model(find_model(settings.models, model))
    try:
        run = evidence.read(ledger, run_id)
        objection = _objection(settings, ledger, run, declared.gates)
    except InputError as error:
        run, objection = {}, f"its evidence does not hold: {error.line()}"
    if objection:
        return _refuse(ledger, run_id, objection)
    # What the run says of its mode was written by a stage; what the model folder says was not.
    mode = strictest(run["mode"], declared.promotion)
    if mode is Promotion.DRY_RUN:
        decisions.record(ledger, "dry_run", {"run": run_id, "would": "promote"}, key=run_id)
        say("dry run: recorded what promotion would have done")
        return StageResult(summary={"run": run_id, "promoted": False, "reason": "dry run"})
    answer = _answer(ledger, declared.approval, run_id) if mode is Promotion.MANUAL else None
    if answer is not None and answer.verdict == "reject":
        return _refuse(ledger, run_id, answer.sentence)
    return _swap(ledger, registry, model, run, answer, say)


def _objection(settings: Settings, ledger: Ledger, run: dict[str, Any], gates: Gates) -> str:
    """Why nobody needs to be asked about `run`, whose model declares `gates` now; empty: nothing is against it.

    Raises:
        InputError: its evidence does not hold, whichever part of it.
    """
    if not run["gates"]["passed"]:
        return "its gates refused it"
    if (why := broken.discarded(ledger).get(run["id"])) is not None:
        return f"it was set aside: {why}"
    evidence.check(settings, ledger, run)
    changed = evidence.changed(run["params"].gates, gates)
    return f"the gates in model.yaml changed since it was judged: {changed}; retrain" if changed else ""


def _answer(ledger: Ledger, allowed: Approval, run_id: str) -> Answer:
    """What a person answered; raises InputError where nobody has, or nobody who may."""
    answer = approvals.newest(ledger, run_id, approvals.gates_sha256(ledger, run_id))
    where = f"run {run_id}"
    remedy = f"answer in {ledger.model}__promote, or `evergreen approve {ledger.model} {run_id}`"
    if answer is None:
        raise InputError("nobody has approved it", where=where, remedy=remedy)
    if answer.verdict == "approve" and not allowed.allows(answer.by, *answer.names):
        raise InputError(f"{shorten(answer.by)} is none of its approvers", where=where, remedy=remedy)
    return answer


def _swap(
    ledger: Ledger, registry: Registry, model: str, run: dict[str, Any], answer: Answer | None, say: Progress
) -> StageResult:
    head = ledger.head("champion")
    # What was recorded meanwhile has fetched it anew.
    signed.demand(ledger, head)
    standing = champions.at(ledger, head)
    judged_against = (run["compared"] or {}).get("run")
    if (standing.run if standing else None) != judged_against:
        return _refuse(
            ledger, run["id"], f"it was judged against {judged_against or 'no champion'}, which is not champion now"
        )
    version = registry.version_of(model, f"runs/{run['id']}")
    if version is None:
        raise PassingFault(f"run {run['id']} has no version yet", where="MLflow", remedy="run its register step first")
    challenger = champions.Champion(
        version=version,
        run=run["id"],
        model_sha256=run["gates"]["model_sha256"],
        since=datetime.now(UTC),
        reason=_reason(run["gates"], standing, answer),
        approver=answer.by if answer else "gates",
        evidence=run["gates"],
        window=champions.ChampionWindow.of(run["params"].span),
        metrics=run["metrics"]["challenger"],
    )
    try:
        made = champions.promote(ledger, challenger, head)
    except (GateRefusal, PushRefused) as error:
        return _refuse(ledger, run["id"], error.what)
    say(f"version {version} is champion")
    # As it was recorded: with the champion before it.
    _show(registry, model, champions.at(ledger, made) or challenger)
    return _done(challenger, "became champion")


def _show(registry: Registry, model: str, standing: champions.Champion) -> None:
    # A version that somebody deleted was registered again, under another number.
    registry.set_alias(model, "champion", registry.version_of(model, standing.tag) or standing.version)
    before = standing.previous
    if before is not None:
        registry.set_alias(model, "previous", registry.version_of(model, f"runs/{before.run}") or before.version)


def _done(standing: champions.Champion, reason: str) -> StageResult:
    summary = {"run": standing.run, "version": standing.version, "promoted": True, "reason": reason}
    return StageResult(summary=summary)


def _refuse(ledger: Ledger, run_id: str, why: str) -> StageResult:
    decisions.record(
        ledger, decisions.REFUSAL, {"run": run_id, "by": "promote", "reason": why}, key=f"{run_id} promote"
    )
    return StageResult(ExitCode.REFUSED, {"run": run_id, "promoted": False, "refused": True, "reason": why})


def _reason(gates: dict[str, Any], standing: champions.Champion | None, answer: Answer | None) -> champions.Reason:
    told = " ".join(gate["sentence"] for gate in gates["gates"])
    if answer is not None:
        return champions.Reason(kind="approved", text=f"{answer.sentence}. {told}"[:1000])
    return champions.Reason(kind="better" if standing else "first", text=told[:1000])

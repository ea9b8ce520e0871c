"""The stage contract: `evergreen stage NAME --model M --run ID` means the same in a process, a container or a pod."""

from __future__ import annotations

from pipelines.config import names
from pipelines.config.names import STAGES
from pipelines.config.settings import Settings
from pipelines.errors import DataError, ExitCode, InputError, PassingFault
from pipelines.ledger import decisions, lease
from pipelines.ledger.git import Ledger
from pipelines.ledger.workspace import Workspace
from pipelines.runs import claims, nights, opening, release, stage
from pipelines.runs.request import Request, json_object
from pipelines.stages.context import Progress, StageResult
from pipelines.storage.files import full_disk

# The result crosses into Airflow as at most 8 KB: of what went wrong, the first few; the ledger holds all.
SHOWN = 5


def run_step(settings: Settings, model: str, run_id: str, step: str, params: str, say: Progress) -> StageResult:
    """One step of run `run_id`: a stage, `register`, `promote`; or, without a run, `ingest`, the steps of a night,
    `rollback` and `reconcile`.

    Raises:
        EvergreenError: with the exit code of the contract. Only a passing fault keeps the model's lease.
    """
    if step in nights.STEPS and (step != "ingest" or nights.is_night(params)):
        return nights.step(settings, model, step, params, say)
    if step == "ingest":
        return _ingest(settings, model, params, say)
    if step in release.STEPS:
        return release.step(settings, model, step, params, say)
    if step == "promote":
        from pipelines.release.promote import promote

        return promote(settings, model, run_id, say)
    ledger = Ledger.open(settings, model)
    fencing = opening.hold(settings, ledger, run_id)
    try:
        if step == STAGES[0]:
            request = Request.from_json(params)
            claims.claim(ledger, run_id, only_if_asked=request.only_if_asked)
            opening.open_run(settings, ledger, run_id, request)
        with (
            full_disk(str(settings.home)),
            Workspace.open(settings, ledger, run_id, fencing=fencing) as workspace,
        ):
            if step == "register":
                return _register(settings, workspace, say)
            done = stage.perform(workspace, step, say)
    except PassingFault:
        raise  # the retry takes the lease again; until then no other run may begin
    except Exception as error:
        if isinstance(error, InputError):
            failure = {"run": run_id, "by": step, "reason": error.line()}
            decisions.record(ledger, "failure", failure, key=f"{run_id} {step}")
        claims.give_up(ledger, run_id, error)
        lease.release(ledger, run_id, fencing)
        raise
    refused = {"refused": True} if done.result.exit_code is ExitCode.REFUSED else {}
    return StageResult(done.result.exit_code, {**done.result.summary, **refused, "run": run_id})


def _ingest(settings: Settings, model: str, params: str, say: Progress) -> StageResult:
    from pipelines.night.ingest import ingest

    asked = json_object(params, {"from", "to"})
    first = names.day(str(asked.get("from", "")), where="from")
    last = names.day(str(asked.get("to") or asked["from"]), where="to")
    with full_disk(str(settings.home)):
        report = ingest(settings, model, first, last, say)
    refusal = report.refusal()
    if refusal:
        raise DataError(
            refusal, where=f"{first} to {last}", remedy="mend the data or expectations.yaml, then ingest again"
        )
    told = {key: value[:SHOWN] if isinstance(value, list) else value for key, value in report.to_json().items()}
    return StageResult(summary=told)


def _register(settings: Settings, workspace: Workspace, say: Progress) -> StageResult:
    from pipelines.runs.register import register

    result = register(settings, workspace, say)
    refused = result.exit_code is ExitCode.REFUSED
    claims.settle(workspace.ledger, workspace.run_id, "refused" if refused else "passed")
    if workspace.fencing is not None:
        lease.release(workspace.ledger, workspace.run_id, workspace.fencing)
    return result

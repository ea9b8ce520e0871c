"""`evergreen run`: the whole retraining in one process; the same stages, ledger and result as the DAGs."""

from __future__ import annotations

import os
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import asdict, dataclass, field
from typing import Any

from pipelines.config.load import find_model
from pipelines.config.names import STAGES
from pipelines.config.settings import Settings
from pipelines.errors import ExitCode, InputError, PassingFault
from pipelines.ledger import decisions, lease, requests
from pipelines.ledger.git import Ledger
from pipelines.ledger.workspace import Workspace
from pipelines.release.promote import promote
from pipelines.runs import claims, opening, register, stage
from pipelines.runs.request import Request
from pipelines.stages.context import Progress, StageResult


@dataclass
class Report:
    """What a retraining came to."""

    model: str
    run: str
    outcome: str
    exit_code: ExitCode = ExitCode.DONE
    version: int | None = None
    steps: dict[str, dict[str, Any]] = field(default_factory=dict)
    seconds: float = 0.0

    def to_json(self) -> dict[str, Any]:
        """The report for machines."""
        return {**asdict(self), "exit_code": int(self.exit_code)}

    def render(self) -> str:
        """The report for a person."""
        lines = [f"{self.model}: {self.outcome}", f"  run      {self.run}"]
        if self.version is not None:
            lines.append(f"  version  {self.version}")
        lines += [f"  {name:<8} {step['seconds']:>6.1f} s  {step['how']}" for name, step in self.steps.items()]
        return "\n".join([*lines, f"  total    {self.seconds:>6.1f} s"])


def retrain(settings: Settings, model: str, request: Request, say: Progress) -> Report:
    """Retrain `model` as `request` asks. The same question twice is answered from the ledger.

    A run that was killed goes on where it stood when the same is asked again.

    Raises:
        EvergreenError: as its stages do; the champion is then as it was.
    """
    started = time.monotonic()
    find_model(settings.models, model)
    ledger = Ledger.open(settings, model)
    planned = opening.plan(settings, ledger, request)
    known = opening.earlier(ledger, planned)
    if known is not None and known.settled:
        report = Report(model, known.run_id, f"nothing to do: {known.sentence}")
        _answer(settings, ledger, known)
    else:
        run_id = known.run_id if known else opening.resumable(ledger, planned) or opening.new_id(planned)
        report = _run(settings, ledger, planned, run_id, say)
    report.seconds = round(time.monotonic() - started, 2)
    return report


def _run(settings: Settings, ledger: Ledger, planned: opening.Plan, run_id: str, say: Progress) -> Report:
    report = Report(ledger.model, run_id, "in progress")
    with _held(settings, ledger, run_id) as fencing:
        claims.claim(ledger, run_id)
        opening.begin(settings, ledger, run_id, planned)
        with Workspace.open(settings, ledger, run_id, fencing=fencing) as workspace:
            for name in STAGES:
                done = stage.perform(workspace, name, _named(say, name))
                report.steps[name] = {"seconds": done.seconds, "how": done.how}
            registered = _timed(
                report, "register", lambda: register.register(settings, workspace, _named(say, "register"))
            )
        claims.settle(ledger, run_id, "refused" if registered.exit_code is ExitCode.REFUSED else "passed")
    report.version = registered.summary.get("version")
    if registered.exit_code is ExitCode.REFUSED:
        report.outcome, report.exit_code = "refused by its gates; the champion stays", ExitCode.REFUSED
    elif planned.request["promotion"] == "manual":
        report.outcome = "passed its gates; promotion waits for a person"
    else:
        _promote(settings, report, say)
    return report


def _answer(settings: Settings, ledger: Ledger, known: opening.Earlier) -> None:
    """Whoever asked for a retraining meanwhile asked for what is done already."""
    if requests.open_requests(ledger):
        with _held(settings, ledger, known.run_id):
            claims.claim(ledger, known.run_id)
            requests.done(ledger, known.run_id, f"nothing to do: {known.sentence}")


def _promote(settings: Settings, report: Report, say: Progress) -> None:
    result = _timed(report, "promote", lambda: promote(settings, report.model, report.run, _named(say, "promote")))
    report.exit_code = result.exit_code
    if result.summary["promoted"]:
        report.outcome = f"version {report.version} is champion"
    else:
        report.outcome = f"not promoted: {result.summary['reason']}"


def _timed(report: Report, name: str, work: Callable[[], StageResult]) -> StageResult:
    started = time.monotonic()
    result = work()
    report.steps[name] = {"seconds": round(time.monotonic() - started, 2), "how": "ran"}
    return result


@contextmanager
def _held(settings: Settings, ledger: Ledger, run_id: str) -> Iterator[int]:
    """The model's lease for the length of the block; it ends with this process at the latest."""
    fencing = opening.hold(settings, ledger, run_id, pid=os.getpid())
    try:
        yield fencing
    except PassingFault:
        raise  # whoever asks again goes on with this run
    except Exception as error:
        if isinstance(error, InputError):
            decisions.record(ledger, "failure", {"run": run_id, "reason": error.line()}, key=f"{run_id} run")
        claims.give_up(ledger, run_id, error)
        raise
    finally:
        lease.release(ledger, run_id, fencing)


def _named(say: Progress, name: str) -> Progress:
    return lambda message: say(f"stage={name} {message}")

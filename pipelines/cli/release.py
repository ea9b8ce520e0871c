"""Commands that decide which version is in use: promote, approve, reject, rollback, reconcile, republish."""

from __future__ import annotations

from datetime import UTC, datetime
from typing import TYPE_CHECKING, Annotated

import typer

from pipelines.cli.common import AsJson, ModelName, emit, log_line, tell, who
from pipelines.config import names, settings
from pipelines.errors import ConfigError

if TYPE_CHECKING:
    from pipelines.ledger.approvals import Verdict

RunId = Annotated[str, typer.Argument(metavar="RUN_ID", help="As `evergreen status` shows it.")]
Reason = Annotated[str, typer.Option(help="Why; kept with the answer.")]
Name = Annotated[str, typer.Option("--as", metavar="NAME", help="Who answers; default: the user of this machine.")]


def promote(model: ModelName, run_id: RunId, as_json: AsJson = False) -> None:
    """Make a run that passed its gates the champion; in mode manual after somebody has approved it."""
    from pipelines.release.promote import promote as perform

    name, run_id = names.model_name(model), names.check_run_id(run_id)
    done = perform(settings.load(), name, run_id, log_line(model=name, run=run_id, stage="promote"))
    if as_json:
        emit(done.summary)
    elif done.summary["promoted"]:
        tell(f"{name}: version {done.summary['version']} {done.summary['reason']}")
    else:
        tell(f"{name}: not promoted: {done.summary['reason']}")
    raise typer.Exit(int(done.exit_code))


def approve(model: ModelName, run_id: RunId, reason: Reason = "", as_: Name = "", as_json: AsJson = False) -> None:
    """Approve a run that waits for a person; `evergreen promote` then makes it the champion."""
    _answer(model, run_id, "approve", reason, as_, as_json)


def reject(model: ModelName, run_id: RunId, reason: Reason = "", as_: Name = "", as_json: AsJson = False) -> None:
    """Reject a run that waits for a person; the champion stays."""
    _answer(model, run_id, "reject", reason, as_, as_json)


def rollback(
    model: ModelName,
    reason: Annotated[str, typer.Option(help="Why; kept for ever. Needed but with --due.")] = "",
    to: Annotated[
        int | None, typer.Option(min=1, max=10**9, metavar="VERSION", help="Default: the champion before.")
    ] = None,
    as_: Name = "",
    due: Annotated[bool, typer.Option("--due", help="Only if a night has asked for it.")] = False,
    as_json: AsJson = False,
) -> None:
    """Make an earlier version the champion again, after proof that it loads and says what it said."""
    from pipelines.release.rollback import Asked, automatic
    from pipelines.release.rollback import rollback as perform

    name = names.model_name(model)
    say = log_line(model=name, stage="rollback")
    asked = Asked(to, reason, as_ or who())
    done = automatic(settings.load(), name, say) if due else perform(settings.load(), name, asked, say)
    if as_json:
        emit(done.summary)
    else:
        tell(f"{name}: version {done.summary['version']} {done.summary['reason']}; aliases {done.summary['aliases']}")


def reconcile(
    model: ModelName,
    dry_run: Annotated[bool, typer.Option("--dry-run", help="Report, and change nothing.")] = False,
    as_json: AsJson = False,
) -> None:
    """Compare MLflow with the ledger: aliases moved by hand, versions edited or deleted; repair them, and alert."""
    from pipelines.release.reconcile import reconcile as perform

    name = names.model_name(model)
    report = perform(settings.load(), name, log_line(model=name, stage="reconcile"), repair=not dry_run)
    if as_json:
        emit(report.to_json())
    else:
        tell(report.render())
    raise typer.Exit(int(report.exit_code))


def republish(
    model: ModelName,
    version: Annotated[
        int | None, typer.Argument(min=1, max=10**9, metavar="[VERSION]", help="Default: all of the old kind.")
    ] = None,
    as_json: AsJson = False,
) -> None:
    """Publish versions anew that MLflow has as bare models, which only Evergreen can ask; numbers and aliases stay."""
    from pipelines.release.publication import republish as perform

    name = names.model_name(model)
    done = perform(settings.load(), name, version, log_line(model=name, stage="republish"))
    if as_json:
        emit(done)
    else:
        anew = ", ".join(str(item["version"]) for item in done["republished"]) or "none"
        left = "".join(f"; version {item['version']} not: {item['why']}" for item in done["left"])
        tell(f"{name}: published anew: {anew}{left}")
    raise typer.Exit(int(bool(done["left"])))


def _answer(model: str, run_id: str, verdict: Verdict, reason: str, as_: str, as_json: bool) -> None:
    from pipelines.config.load import find_model, load_model
    from pipelines.ledger import approvals
    from pipelines.ledger.git import Ledger

    current, name, by = settings.load(), names.model_name(model), as_ or who()
    names.check_run_id(run_id)
    if not load_model(find_model(current.models, name)).approval.allows(by):
        remedy = "ask one of them; who answers under another name on this machine says --as NAME"
        raise ConfigError(f"{by!r} is none of the approvers", where="approval.approvers", remedy=remedy)
    ledger = Ledger.open(current, name)
    gates = approvals.gates_sha256(ledger, run_id)
    answer = approvals.Answer(run_id, gates, verdict, by, (by,), "command line", datetime.now(UTC), reason)
    kept = approvals.record(ledger, answer)
    if as_json:
        emit(kept)
    else:
        tell(f"{name}: run {run_id} {answer.sentence}")


def discard(
    model: ModelName,
    run_id: RunId,
    reason: Annotated[str, typer.Option(help="Why; kept in the ledger.")],
    as_json: AsJson = False,
) -> None:
    """Set a run aside that cannot be read, or was never finished: it is reported no more, and retention may end it."""
    from pipelines.ledger import broken
    from pipelines.ledger.git import Ledger
    from pipelines.ledger.store import Store

    current, name = settings.load(), names.model_name(model)
    ledger = Ledger.open(current, name)
    store = Store.open(current, current.workspaces / name / "data", scm=False)
    try:
        kept = broken.discard(ledger, run_id, reason, who(), store)
    finally:
        store.close()
    if as_json:
        emit(kept)
    else:
        tell(f"{name}: run {run_id} is set aside: {kept['fault']}")


def add_to(app: typer.Typer) -> None:
    """Adds this module's commands to `app`."""
    for command in (promote, approve, reject, discard, rollback, reconcile, republish):
        app.command()(command)

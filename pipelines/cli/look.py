"""Commands that only look."""

from __future__ import annotations

from typing import Annotated

import typer

from pipelines.cli.common import AsJson, emit, log_line, tell
from pipelines.config import settings


def status(as_json: AsJson = False) -> None:
    """Per model: champion, last run, last refusal."""
    from pipelines.runs import status as states

    fleet = states.fleet(settings.load())
    if as_json:
        emit(fleet)
    else:
        tell(states.render(fleet))


def doctor(
    as_json: AsJson = False,
    renew_hooks: Annotated[
        bool, typer.Option("--renew-hooks", help="First put this version's hook into every ledger in a folder.")
    ] = False,
) -> None:
    """Look at everything Evergreen depends on; a line each, with the remedy: storage, ledgers, MLflow, machine."""
    from pipelines.doctor import ledger
    from pipelines.doctor.run import examine

    say = log_line(stage="doctor")
    if renew_hooks:
        for changed in ledger.renew_hooks(settings.load()):
            say(f"renewed the hook of {changed}")
    report = examine(None, say)
    if as_json:
        emit(report.to_json())
    else:
        tell(report.render())
    raise typer.Exit(int(report.exit_code))


def add_to(app: typer.Typer) -> None:
    """Adds this module's commands to `app`."""
    app.command()(status)
    app.command()(doctor)

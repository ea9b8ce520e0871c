"""Commands of retention: gc, pin, unpin, erase."""

from __future__ import annotations

from datetime import timedelta
from typing import Annotated

import typer

from pipelines.cli.common import AsJson, ModelName, emit, log_line, tell, who
from pipelines.config import names, settings
from pipelines.errors import ConfigError, ExitCode

Reason = Annotated[str, typer.Option(help="Why; kept in the ledger.")]
RunId = Annotated[str, typer.Argument(metavar="RUN", help="A run's id.")]
Apply = Annotated[bool, typer.Option("--apply", help="Do it.")]


def gc(
    do: Apply = False,
    dry_run: Annotated[bool, typer.Option("--dry-run", help="Only say what would be done.")] = False,
    ledger: Annotated[
        list[str] | None, typer.Option(metavar="MODEL", help="Every ledger there is, where its server lists none.")
    ] = None,
    young_seconds: Annotated[int, typer.Option(hidden=True, help="For tests.")] = 7 * 86_400,
    shelf_seconds: Annotated[int, typer.Option(hidden=True, help="For tests.")] = 7 * 86_400,
    as_json: AsJson = False,
) -> None:
    """Remove what no champion, run, pin or ledger needs any more, a week after it was last needed."""
    from pipelines.retention.plan import Grace
    from pipelines.retention.sweep import apply, open_all, plan

    if do is dry_run:
        raise ConfigError("say either --dry-run or --apply", where="evergreen gc", remedy="see the plan first")
    found, say = settings.load(), log_line(stage="gc")
    grace = Grace(timedelta(seconds=young_seconds), timedelta(seconds=shelf_seconds))
    planned = plan(found, open_all(found, [names.model_name(name) for name in ledger or ()]), grace)
    if not as_json:
        tell(planned.render())
    if do:
        planned = apply(found, planned, grace, say)
    if as_json:
        emit(planned.to_json() | {"applied": do})
    elif do:
        tell(f"done: {planned.render().splitlines()[-5]}")
    if planned.unsure:
        raise typer.Exit(int(ExitCode.INPUT))


def pin(model: ModelName, run: RunId, reason: Reason) -> None:
    """Keep a run whatever retention says."""
    from pipelines.ledger.git import Ledger
    from pipelines.retention import pins

    pins.pin(Ledger.open(settings.load(), names.model_name(model)), names.check_run_id(run), reason, who())
    tell(f"{run} is pinned")


def unpin(model: ModelName, run: RunId, reason: Reason) -> None:
    """Let retention have a pinned run again."""
    from pipelines.ledger.git import Ledger
    from pipelines.retention import pins

    pins.unpin(Ledger.open(settings.load(), names.model_name(model)), names.check_run_id(run), reason, who())
    tell(f"{run} is pinned no longer")


def erase(
    model: ModelName,
    table: Annotated[str, typer.Option(help="The table that holds the rows.")],
    key: Annotated[
        list[str], typer.Option(metavar="COLUMN=VALUE", help="Which rows; a bare value where the key is one column.")
    ],
    reason: Annotated[str, typer.Option(help="Why; kept in the ledger. Needed with --apply.")] = "",
    do: Apply = False,
    as_json: AsJson = False,
) -> None:
    """Take a person's rows out of the data and the predictions, for ever; without --apply only say what that means."""
    from pipelines.retention.erase import erase as take_out

    name, say = names.model_name(model), log_line(model=model, stage="erase")
    done = take_out(settings.load(), name, table, key, reason, who(), say, apply=do)
    if as_json:
        emit(done.to_json())
    else:
        tell(done.render())


def add_to(app: typer.Typer) -> None:
    """Adds this module's commands to `app`."""
    for command in (gc, pin, unpin, erase):
        app.command()(command)

"""Commands that answer from the ledger: who was champion, where a version comes from, how a prediction came about."""

from __future__ import annotations

from typing import Annotated

import typer

from pipelines.cli.common import AsJson, ModelName, emit, log_line, tell
from pipelines.config import names, settings

Version = Annotated[int, typer.Argument(metavar="VERSION", min=1, help="Its number in the registry.")]


def history(
    model: ModelName,
    at: Annotated[
        str | None, typer.Option(metavar="DATE", help="Only who was champion then; a day or a time, UTC.")
    ] = None,
    as_json: AsJson = False,
) -> None:
    """Who was champion when, made so by whom, on which data and with which evidence."""
    from pipelines.audit import history as past
    from pipelines.audit.told import render
    from pipelines.ledger.git import Ledger

    found = past.history(Ledger.open(settings.load(), names.model_name(model)))
    if at is not None:
        found = past.at(found, at)
    if as_json:
        emit({"model": model, "at": at, "champions": [reign.to_json() for reign in found]})
    else:
        tell(render(model, found, at))


def explain(
    model: ModelName,
    version: Version,
    partitions: Annotated[bool, typer.Option("--partitions", help="List every partition behind it.")] = False,
    as_json: AsJson = False,
) -> None:
    """Where a version comes from: raw partitions, checks, features, training, gates, aliases, nights it scored."""
    from pipelines.audit.explain import explain as perform
    from pipelines.audit.lineage import render

    found = perform(settings.load(), names.model_name(model), version)
    if as_json:
        emit(found)
    else:
        tell(render(found, every=partitions))
    if found["broken"]:
        raise typer.Exit(3)


def trace(
    model: ModelName,
    key: Annotated[
        str, typer.Argument(metavar="KEY", help="Values of the key columns, or name=value pairs, by comma.")
    ],
    day: Annotated[str, typer.Option("--date", metavar="DATE", help="The day that was scored.")],
    version: Annotated[
        int | None, typer.Option(min=1, help="Which version's prediction; default: the champion's.")
    ] = None,
    as_json: AsJson = False,
) -> None:
    """One prediction: its features and what each contributed, model, data, and the label where it has come."""
    from pipelines.audit.trace import trace as perform
    from pipelines.audit.traced import render

    when = names.day(day, where="--date")
    say = log_line(model=model, stage="trace")
    found = perform(settings.load(), names.model_name(model), key, when, say, version=version)
    if as_json:
        emit(found)
    else:
        tell(render(found))
    if found["broken"]:
        raise typer.Exit(3)


def add_to(app: typer.Typer) -> None:
    """Adds this module's commands to `app`."""
    for command in (history, explain, trace):
        app.command()(command)

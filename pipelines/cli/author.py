"""Commands for those who bring a model."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from pipelines.cli.common import AsJson, ModelName, emit, log_line, tell
from pipelines.config import names, settings
from pipelines.config.model import Task


def new(
    name: Annotated[str, typer.Argument(metavar="NAME", help="The new model's name: a-z, 0-9 and _.")],
    source: Annotated[Path, typer.Option("--from", metavar="FILE", help="Parquet or CSV, one row an event.")],
    label: Annotated[str, typer.Option(help="The column to predict.")],
    time: Annotated[str, typer.Option(help="The column that says when the event was.")],
    time_format: Annotated[
        str,
        typer.Option(
            metavar="PATTERN",
            help="How the time is written, where not as 2024-01-31T13:45: '%d.%m.%Y %H:%M', epoch_s, epoch_ms.",
        ),
    ] = "",
    task: Annotated[
        Task | None, typer.Option(help="What the label is, where its values could mean another.", show_default=False)
    ] = None,
) -> None:
    """Draft a working model folder from a data file, and lay the file out in the lake by day."""
    from pipelines.authoring.new import draft
    from pipelines.authoring.source import Request

    request = Request(source, label, time, time_format)
    tell(draft(settings.load(), names.model_name(name), request, log_line(model=name), task).render())


def check(model: ModelName, as_json: AsJson = False) -> None:
    """Prove a model folder sound: configuration, its days, features, point in time, determinism, banned columns."""
    from pipelines.authoring.check import check as prove

    report = prove(settings.load(), names.model_name(model), log_line(model=model))
    if as_json:
        emit(report.to_json())
    else:
        tell(report.render())
    raise typer.Exit(int(report.exit_code))


def add_to(app: typer.Typer) -> None:
    """Adds this module's commands to `app`."""
    app.command()(new)
    app.command()(check)

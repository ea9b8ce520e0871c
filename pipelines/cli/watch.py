"""Commands for two steps of a night by themselves: score and monitor."""

from __future__ import annotations

from enum import StrEnum
from typing import Annotated

import typer

from pipelines.cli.common import AsJson, ModelName, emit, log_line, tell
from pipelines.config import names, settings


class Shadow(StrEnum):
    """Which other version scores beside the champion."""

    OFF = "off"
    PREVIOUS = "previous"
    CHALLENGER = "challenger"


DayOption = Annotated[str, typer.Option("--date", metavar="DATE", help="The day that the night is for.")]


def score(
    model: ModelName,
    day: DayOption,
    shadow: Annotated[
        Shadow | None, typer.Option(help="Which other version scores too; default: what model.yaml says.")
    ] = None,
    as_json: AsJson = False,
) -> None:
    """Score one day's rows with the champion, and record it; what was scored before stays as it was written."""
    from pipelines.config.load import find_model, load_model
    from pipelines.night.score import score as perform

    current, name = settings.load(), names.model_name(model)
    mode = shadow.value if shadow else load_model(find_model(current.models, name)).monitoring.shadow
    when = names.day(day, where="--date")
    done = perform(current, name, when, log_line(model=model, stage="score"), shadow=mode)
    if as_json:
        emit(done.to_json())
    else:
        tell(done.render())


def monitor(model: ModelName, day: DayOption, as_json: AsJson = False) -> None:
    """Drift, estimated and real quality, and signs of broken data, as of one night; recorded for its decision."""
    from pipelines.night.monitor import monitor as perform
    from pipelines.night.page import render

    when = names.day(day, where="--date")
    found = perform(settings.load(), names.model_name(model), when, log_line(model=model, stage="monitor"))
    if as_json:
        emit(found.to_json())
    else:
        tell(render(found))


def add_to(app: typer.Typer) -> None:
    """Adds this module's commands to `app`."""
    for command in (score, monitor):
        app.command()(command)

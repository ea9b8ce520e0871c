"""Commands that only look."""

from __future__ import annotations

import typer

from pipelines.cli.common import AsJson, emit, tell
from pipelines.config import settings


def status(as_json: AsJson = False) -> None:
    """Per model: champion, last run, last refusal."""
    from pipelines.runs import status as states

    fleet = states.fleet(settings.load())
    if as_json:
        emit(fleet)
    else:
        tell(states.render(fleet))


def add_to(app: typer.Typer) -> None:
    """Adds this module's commands to `app`."""
    app.command()(status)

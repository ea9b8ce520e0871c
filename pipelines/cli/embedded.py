"""Commands of the embedded services and the demo."""

from __future__ import annotations

import typer

from pipelines.cli.common import AsJson, emit, log_line, tell
from pipelines.config import settings


def up() -> None:
    """Start Airflow and MLflow on loopback and wait until they answer."""
    from pipelines.services import up as start

    start(settings.load(), log_line(stage="up"))


def down() -> None:
    """Stop what `up` started."""
    from pipelines.services import down as stop

    stop(settings.load(), log_line(stage="down"))


def services(as_json: AsJson = False) -> None:
    """Say which services run, and where."""
    from pipelines.services import status

    found = status(settings.load())
    if as_json:
        emit(found)
    else:
        tell("\n".join(f"{name}: {state}" for name, state in found.items()))


def demo() -> None:
    """The demo: real flights, two retrainings in Airflow, champion against challenger."""
    from pipelines.demo.story import tell as tell_story

    tell_story(settings.load(), log_line(stage="demo"))


def add_to(app: typer.Typer) -> None:
    """Adds this module's commands to `app`."""
    for command in (up, down, services, demo):
        app.command()(command)

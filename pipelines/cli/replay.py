"""The command that runs the past forward under several policies."""

from __future__ import annotations

import os
import sys
from pathlib import Path
from typing import Annotated

import typer

from pipelines.cli.common import AsJson, ModelName, emit, log_line, tell
from pipelines.config import names, settings

BAR = 30


def replay(
    model: ModelName,
    first: Annotated[str, typer.Option("--from", metavar="DATE", help="As-of day of the first champion.")],
    last: Annotated[str, typer.Option("--to", metavar="DATE", help="The last night.")],
    policy: Annotated[
        list[str] | None,
        typer.Option(help="never, monthly, weekly, nightly, every:N, own, or a YAML file; may be given several times."),
    ] = None,
    starts: Annotated[int, typer.Option(min=1, max=60, help="Begin on so many days in turn, and take the mean.")] = 1,
    gates: Annotated[bool, typer.Option("--gates/--no-gates", help="Whether the gates may refuse.")] = True,
    train_days: Annotated[int | None, typer.Option(help="Days of training data.")] = None,
    test_days: Annotated[int | None, typer.Option(help="Newest days, on which the gates judge.")] = None,
    jobs: Annotated[int, typer.Option(min=1, max=64, help="Processes that fit at once.")] = os.cpu_count() or 1,
    out: Annotated[Path | None, typer.Option(help="HTML page to write, its picture (.svg) beside it.")] = None,
    as_json: AsJson = False,
) -> None:
    """Run history forward under several policies: what each costs, and what it is worth. Changes no ledger."""
    from pipelines.config.params import Overrides
    from pipelines.replay.compare import Asked, compare
    from pipelines.replay.page import render, write

    days = (names.day(first, where="--from"), names.day(last, where="--to"))
    asked = Asked(*days, tuple(policy or ()), starts, gates, jobs)
    overrides = Overrides(train_days=train_days, test_days=test_days)
    current, name = settings.load(), names.model_name(model)
    found = compare(current, name, asked, overrides, log_line(model=model, stage="replay"), _bar)
    place = out or current.home / "replay" / name / "replay.html"
    write(found, place)
    if as_json:
        emit(found.to_json())
    else:
        tell(f"{render(found)}\n\n{place}")


def _bar(done: int, whole: int) -> None:
    """A progress bar on one line of stderr; where nobody watches, a line now and then."""
    filled = BAR * done // whole
    text = f"retrainings [{'#' * filled}{'.' * (BAR - filled)}] {done} of {whole}"
    if sys.stderr.isatty():
        sys.stderr.write(f"\r{text}{chr(10) if done == whole else ''}")
    elif done in (0, whole) or done % max(1, whole // 20) == 0:
        sys.stderr.write(f"{text}\n")
    sys.stderr.flush()


def add_to(app: typer.Typer) -> None:
    """Adds this module's command to `app`."""
    app.command()(replay)

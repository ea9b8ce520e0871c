"""Commands around the decision to retrain: ask for it, make it, read it."""

from __future__ import annotations

from datetime import date, timedelta
from typing import TYPE_CHECKING, Annotated, Any

import typer

from pipelines.cli.common import AsJson, ModelName, emit, log_line, tell
from pipelines.config import names, settings
from pipelines.errors import DataError

if TYPE_CHECKING:
    from pipelines.ledger.git import Ledger


def request(
    model: ModelName,
    reason: Annotated[str, typer.Option(help="Why; kept with the request and shown in the decision.")],
    key: Annotated[
        str, typer.Option(help="Stands for the occasion: the same key twice is one request. Default: a new one.")
    ] = "",
    as_json: AsJson = False,
) -> None:
    """Ask for a retraining. It waits in the ledger: the next retraining claims it, and maintenance starts one."""
    from dataclasses import asdict
    from secrets import token_hex

    from pipelines.ledger import requests
    from pipelines.ledger.git import Ledger

    ledger = Ledger.open(settings.load(), names.model_name(model))
    asked = requests.ask(ledger, key or f"asked-{token_hex(8)}", reason, "command line")
    if as_json:
        emit(asdict(asked))
    else:
        tell(f"{asked.key}: {asked.state}, since {asked.since or asked.at}{f', {asked.run}' if asked.run else ''}")


def decide(
    model: ModelName,
    day: Annotated[str, typer.Option("--date", metavar="DATE", help="The night's day, which was monitored.")],
    backfill: Annotated[bool, typer.Option("--backfill", help="Record, and start no retraining.")] = False,
    as_json: AsJson = False,
) -> None:
    """Decide a night: retrain now? Keeps one decision; where it is to retrain, opens a request for it."""
    from pipelines.night.decide import decide as perform

    say = log_line(model=model, stage="decide")
    when = names.day(day, where="--date")
    done = perform(settings.load(), names.model_name(model), when, backfill=backfill, say=say)
    if as_json:
        emit(done.summary)
    else:
        tell(f"{done.summary['verdict']}. {done.summary['sentence']}")


def decisions(
    model: ModelName,
    day: Annotated[str, typer.Option("--date", metavar="DATE", help="One night in full.")] = "",
    nights: Annotated[int, typer.Option(min=1, max=3660, help="So many nights, the newest.")] = 14,
    as_json: AsJson = False,
) -> None:
    """What the nights decided, and why: a line each, or with a date one in full: triggers, thresholds, guards."""
    from pipelines.ledger.git import Ledger
    from pipelines.policy.decide import Decision
    from pipelines.policy.text import full, line

    ledger = Ledger.open(settings.load(), names.model_name(model))
    found = _one(ledger, names.day(day, where="--date")) if day else _newest(ledger, nights)
    if as_json:
        emit({"model": model, "nights": found})
    else:
        write = full if day else line
        told = [write(Decision.from_json(item), item["revision"]) for item in found]
        tell("\n".join(told) or f"no night was decided yet: `evergreen night {model} --date ..`")


def _one(ledger: Ledger, day: date) -> list[dict[str, Any]]:
    from pipelines.ledger import verdicts

    found = list(verdicts.newest(ledger, day, day).values())
    if not found:
        newest = verdicts.last_day(ledger)
        raise DataError(
            f"the night of {day} was not decided", where=ledger.model, remedy=f"the newest that was is {newest or '-'}"
        )
    return found


def _newest(ledger: Ledger, nights: int) -> list[dict[str, Any]]:
    """The newest nights, of the days that end with the newest decided one."""
    from pipelines.ledger import verdicts

    last = verdicts.last_day(ledger)
    return list(verdicts.newest(ledger, last - timedelta(days=nights - 1), last).values()) if last else []


def add_to(app: typer.Typer) -> None:
    """Adds this module's commands to `app`."""
    for command in (request, decide, decisions):
        app.command()(command)

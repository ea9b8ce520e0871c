"""Commands of the night and of what it tells people."""

from __future__ import annotations

from typing import Annotated, Any

import typer

from pipelines.cli.common import AsJson, ModelName, emit, log_line, tell
from pipelines.config import names, settings

_KNOWN = ("model", "day", "versions")


def night(
    model: ModelName,
    day: Annotated[str, typer.Option("--date", metavar="DATE", help="The day whose data the night takes in.")],
    backfill: Annotated[bool, typer.Option("--backfill", help="Record, and start no retraining.")] = False,
    as_json: AsJson = False,
) -> None:
    """A whole night in this process, without Airflow: ingest, score, monitor, decide, and send the alerts."""
    from pipelines.alerts.sending import send
    from pipelines.runs.nights import night as perform

    current, name = settings.load(), names.model_name(model)
    say = log_line(model=model, stage="night")
    told = perform(current, name, names.day(day, where="--date"), backfill, say)
    send(current, name, say)
    if as_json:
        emit(told)
    else:
        tell("\n".join(f"{step}: {_sentence(summary)}" for step, summary in told.items()))


def alerts(
    model: ModelName,
    send: Annotated[bool, typer.Option("--send", help="Send what waits, now.")] = False,
    as_json: AsJson = False,
) -> None:
    """The alerts that wait to be sent; Airflow's `evergreen__maintenance` sends them every ten minutes."""
    from pipelines.alerts.sending import send as send_all
    from pipelines.ledger import Ledger, outbox

    current, name = settings.load(), names.model_name(model)
    if send:
        send_all(current, name, log_line(model=model, stage="alerts"))
    found = outbox.waiting(Ledger.open(current, name))
    if as_json:
        emit({"waiting": [entry.alert.to_json() | {"at": entry.at} for entry in found]})
    else:
        tell("\n".join(f"{entry.at}  {entry.alert.severity}  {entry.alert.title}" for entry in found) or "none waits")


def _sentence(summary: dict[str, Any]) -> str:
    if "skipped" in summary:
        return f"skipped, {summary['skipped']}"
    if "verdict" in summary:
        return f"{summary['verdict']}. {summary.get('sentence', '')}"
    scored = [f"version {item['version']} scored {item['rows']:,} rows" for item in summary.get("versions", [])]
    plain = [
        f"{key} {_plain(value)}" for key, value in summary.items() if key not in _KNOWN and value not in (None, [])
    ]
    return ", ".join(scored + plain) or "done"


def _plain(value: Any) -> str:
    return ", ".join(map(str, value)) if isinstance(value, list) else str(value)


def add_to(app: typer.Typer) -> None:
    """Adds this module's commands to `app`."""
    for command in (night, alerts):
        app.command()(command)

"""The alerts a night gives rise to: into the ledger's outbox, where the model wants to hear of their kind."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from datetime import date
from typing import Any

from pipelines.config.model import Model
from pipelines.ledger import outbox
from pipelines.ledger.git import Ledger
from pipelines.ledger.outbox import Alert, Severity
from pipelines.night.take import Taken

# Of the verdicts, those that anybody may want to hear of; `wait` and `cooldown` are what most nights say.
_VERDICTS: Mapping[str, tuple[Severity, str]] = {
    "data_bug": ("failure", "the data looks broken"),
    "broken": ("failure", "retraining is switched off: too many failed"),
    "over_budget": ("warning", "the month's training budget is spent"),
    "retrain": ("info", "a retraining is due"),
}


def of_ingest(ledger: Ledger, model: Model, taken: Taken, link: str) -> None:
    """Queue what an ingest that waits no longer has to say; once a day and kind, however often it is repeated."""
    _queue(ledger, model, _arrivals(ledger.model, taken, link))


def of_decision(ledger: Ledger, model: Model, day: date, summary: Mapping[str, Any], link: str) -> None:
    """Queue the night's verdict; raises PassingFault where the ledger cannot be reached."""
    verdict = str(summary.get("verdict"))
    if verdict in _VERDICTS:
        severity, words = _VERDICTS[verdict]
        title = f"{ledger.model} {day}: {words}"
        alert = Alert(verdict, severity, title, str(summary.get("sentence", "")), f"night {day} {verdict}", link)
        _queue(ledger, model, iter([alert]))


def _arrivals(name: str, taken: Taken, link: str) -> Iterator[Alert]:
    day = taken.day
    if taken.missing:
        tables = ", ".join(taken.missing)
        text = f"The night goes on without {tables}. What is delivered later is taken by one of the next nights."
        yield Alert("missing", "warning", f"{name} {day}: {tables} did not come", text, f"night {day} missing", link)
    if taken.bad:
        lines = [f"{item.table} {item.partition}: {'; '.join(item.reasons)}" for item in taken.bad]
        key = "night " + " ".join(sorted(f"{item.table}/{item.partition}/{item.revision}" for item in taken.bad))
        title = f"{name} {day}: {len(taken.bad)} partitions are quarantined"
        yield Alert("quarantined", "warning", title, "\n".join(lines), key, link)


def _queue(ledger: Ledger, model: Model, alerts: Iterator[Alert]) -> None:
    for alert in alerts:
        if alert.kind in model.alerts.on:
            outbox.queue(ledger, alert)

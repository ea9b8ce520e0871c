"""The state of every model, told from its ledger alone."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from datetime import UTC, datetime
from typing import Any

from pipelines.config.load import load_model, model_folders
from pipelines.config.settings import Settings
from pipelines.errors import EvergreenError, InputError
from pipelines.ledger import broken, data, decisions, reader, requests, runs, verdicts
from pipelines.ledger import champion as champions
from pipelines.ledger.git import Ledger

SHOWN = 10


def fleet(settings: Settings) -> dict[str, Any]:
    """`{"models": [...]}`, one entry a model folder; a broken folder has an `error` and spoils no other."""
    return {"models": [_entry(settings, folder.name) for folder in model_folders(settings.models)]}


def render(found: dict[str, Any]) -> str:
    """`fleet`'s answer for a person."""
    return "\n\n".join(_paragraph(entry) for entry in found["models"]) or "no models: `evergreen new` drafts one"


def _entry(settings: Settings, name: str) -> dict[str, Any]:
    try:
        events = load_model(settings.models / name).events
        ledger = Ledger.open(settings, name)
    except InputError as error:
        return {"model": name, "error": error.line(), "champion": None, "last_run": None, "last_refusal": None}
    except EvergreenError as error:
        return {"model": name, "error": error.line()}
    return {"model": name, **_facts(ledger, events)}


def _facts(ledger: Ledger, events: str) -> dict[str, Any]:
    """What each record says; of one that cannot be read, why, in `unreadable`."""
    unreadable: list[str] = []

    def ask(look: Callable[[], Any]) -> Any:
        try:
            return look()
        except InputError as error:
            unreadable.append(error.line())
            return None

    days = ask(lambda: data.load_manifest(ledger).days(events))
    standing = ask(lambda: champions.current(ledger))
    champion_lost = standing is None and ledger.head("champion") is not None
    faults = broken.find(ledger)
    found = {
        "champion": _champion(standing, days[-1] if days else None),
        "data": {"first": days[0], "last": days[-1], "days": len(days)} if days else None,
        "last_run": _last_run(ledger, faults),
        "last_refusal": ask(lambda: decisions.last_refusal(ledger)),
        "last_night": ask(lambda: _last_night(ledger)),
        "open_requests": [
            {"key": item.key, "reason": item.reason} for item in ask(lambda: requests.open_requests(ledger)) or ()
        ],
        "unreadable": [
            *unreadable,
            *(f"run {ref.partition('/')[2]} cannot be read: {fault}" for ref, fault in sorted(faults.items())),
        ],
    }
    return found | ({"champion_unreadable": True} if champion_lost else {})


def _champion(standing: champions.Champion | None, newest: Any) -> dict[str, Any] | None:
    if standing is None:
        return None
    window = standing.window.model_dump(mode="json")
    return {
        "version": standing.version,
        "run": standing.run,
        "window": {"train": window["train"], "test": window["test"], "as_of": window["as_of"]},
        "metrics": standing.metrics,
        "since": standing.since.isoformat(),
        # The clock is the data's: how far the newest accepted day is past the champion's as-of day.
        "age_days": max(0, (newest - standing.window.as_of).days) if newest else 0,
        "age_wall_days": (datetime.now(UTC) - standing.since).days,
        "model_sha256": standing.model_sha256,
        "reason": standing.reason.text,
    }


def _last_run(ledger: Ledger, faults: Mapping[str, str]) -> dict[str, Any] | None:
    finished, known = runs.finished(ledger), runs.unfinished(ledger)
    known |= finished
    if not known:
        return None
    newest = max(known, key=lambda run: run[11:])
    if f"runs/{newest}" in faults or f"run/{newest}" in faults:
        outcome = "cannot be read"
    elif newest not in finished:
        outcome = "in progress"
    else:
        outcome = _outcome(reader.record(ledger, finished[newest], reader.GATES))
    if newest in broken.discarded(ledger):
        outcome = "set aside"
    return {"run": newest, "finished": newest in finished, "outcome": outcome, "commit": known[newest]}


def _outcome(gates: reader.Record) -> str:
    try:
        return "passed" if reader.gates_of(gates)["passed"] else "refused"
    except InputError:
        return "cannot be read"


def _last_night(ledger: Ledger) -> dict[str, Any] | None:
    day = verdicts.last_day(ledger)
    found = verdicts.newest(ledger, day, day).get(day) if day else None
    return {"day": str(day), "verdict": found["verdict"], "sentence": found.get("sentence", "")} if found else None


def _paragraph(entry: dict[str, Any]) -> str:
    lines = [entry["model"]]
    if "error" in entry:
        lines.append(f"  {entry['error']}")
    champion, run, refusal = (entry.get(key) for key in ("champion", "last_run", "last_refusal"))
    if champion:
        train, test = champion["window"]["train"], champion["window"]["test"]
        metrics = ", ".join(f"{name} {value:.4f}" for name, value in sorted(champion["metrics"].items()))
        lines += [
            f"  champion     version {champion['version']}, run {champion['run']}",
            f"               {champion['age_days']} days old in data time",
            f"               trained {train[0]} to {train[1]}, judged {test[0]} to {test[1]}",
            f"               {metrics}",
        ]
    elif "champion_unreadable" in entry:
        lines.append("  champion     cannot be read")
    elif "error" not in entry:
        lines.append("  champion     none yet")
    if run:
        lines.append(f"  last run     {run['run']}: {run['outcome']}")
    if night := entry.get("last_night"):
        lines.append(f"  last night   {night['day']}: {night['verdict']}. {night['sentence']}")
    lines += [f"  asked for    {item['key']}: {item['reason']}" for item in entry.get("open_requests", ())]
    lines += [f"  unreadable   {line}" for line in entry.get("unreadable", ())[:SHOWN]]
    if (more := len(entry.get("unreadable", ())) - SHOWN) > 0:
        lines.append(f"  unreadable   and {more} more: `evergreen doctor`")
    if refusal:
        lines.append(f"  last refusal {refusal.get('run', '')}: {refusal.get('reason', '')}")
    return "\n".join(lines)

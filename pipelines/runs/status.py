"""The state of every model, told from its ledger alone."""

from __future__ import annotations

import json
from datetime import UTC, datetime
from typing import Any

from pipelines.config.load import load_model, model_folders
from pipelines.config.settings import Settings
from pipelines.errors import EvergreenError, InputError
from pipelines.ledger import champion as champions
from pipelines.ledger import data, decisions, requests, verdicts
from pipelines.ledger.git import Ledger


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
    standing = champions.current(ledger)
    days = data.load_manifest(ledger).days(events)
    return {
        "model": name,
        "champion": _champion(standing, days[-1] if days else None),
        "data": {"first": days[0], "last": days[-1], "days": len(days)} if days else None,
        "last_run": _last_run(ledger),
        "last_refusal": decisions.last_refusal(ledger),
        "last_night": _last_night(ledger),
        "open_requests": [{"key": item.key, "reason": item.reason} for item in requests.open_requests(ledger)],
    }


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


def _last_run(ledger: Ledger) -> dict[str, Any] | None:
    known = {name.removeprefix("run/"): commit for name, commit in ledger.branches("run/").items()}
    if not known:
        return None
    newest = max(known, key=lambda run: run[11:])
    finished = ledger.head(f"runs/{newest}")
    gates = ledger.read(finished, "out/evaluate/gates.json") if finished else None
    outcome = "in progress" if gates is None else "passed" if json.loads(gates)["passed"] else "refused"
    return {"run": newest, "finished": finished is not None, "outcome": outcome, "commit": known[newest]}


def _last_night(ledger: Ledger) -> dict[str, Any] | None:
    day = verdicts.last_day(ledger)
    found = verdicts.newest(ledger, day, day).get(day) if day else None
    return {"day": str(day), "verdict": found["verdict"], "sentence": found["sentence"]} if found else None


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
    elif "error" not in entry:
        lines.append("  champion     none yet")
    if run:
        lines.append(f"  last run     {run['run']}: {run['outcome']}")
    if night := entry.get("last_night"):
        lines.append(f"  last night   {night['day']}: {night['verdict']}. {night['sentence']}")
    lines += [f"  asked for    {item['key']}: {item['reason']}" for item in entry.get("open_requests", ())]
    if refusal:
        lines.append(f"  last refusal {refusal.get('run', '')}: {refusal.get('reason', '')}")
    return "\n".join(lines)

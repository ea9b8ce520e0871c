"""What each retraining came to and how long it trained, on branch `decisions`: one small file a run, by month of data.

`retrainings/<yyyy-mm>/<run>.json`, the month of the run's as-of day: a night reads the months it needs.
"""

from __future__ import annotations

from datetime import UTC, date, datetime, time
from typing import Any, Literal

from pipelines.config import names
from pipelines.errors import ConfigError, UnreadableRecord
from pipelines.ledger import reader
from pipelines.ledger.command import git
from pipelines.ledger.git import Ledger, full_ref
from pipelines.ledger.months import months_between
from pipelines.ledger.swap import Changes, swap
from pipelines.storage import bounded
from pipelines.storage.files import json_bytes

BRANCH = "decisions"
LIMIT = 1 << 16
Outcome = Literal["promoted", "passed", "refused", "failed"]
# A run that failed may be taken up again, and one that passed may be refused its promotion; a champion stays one.
_RANK = {"failed": 0, "passed": 1, "refused": 2, "promoted": 3}


def note(ledger: Ledger, run_id: str, outcome: Outcome, why: str = "") -> None:
    """Keep what run `run_id` came to; the same again changes nothing.

    Raises:
        PassingFault: the ledger cannot be reached, or never stood still.
    """
    path = _path(run_id)

    def change(head: str | None) -> Changes:
        known = _entry(reader.record(ledger, head, path)) if head else {}
        if known.get("outcome") == outcome or _RANK.get(str(known.get("outcome")), 0) > _RANK[outcome]:
            return {}
        entry = {
            "run": run_id,
            "day": run_id[:10],
            "seconds": train_seconds(ledger, run_id),
            "outcome": outcome,
            "why": why,
            "at": datetime.now(UTC).isoformat(),
        }
        return {path: json_bytes(entry)}

    swap(ledger, BRANCH, change, f"Run {run_id}: {outcome}\n")


def between(ledger: Ledger, first: date, last: date) -> list[dict[str, Any]]:
    """The retrainings as of `first` to `last`, in order of day and then of their beginning, as of the last fetch.

    One whose record cannot be read counts as failed, for whoever counts what was tried.
    """
    head = ledger.head(BRANCH)
    if head is None:
        return []
    paths = [path for month in months_between(first, last) for path in ledger.tree(head, f"retrainings/{month}")]
    records = reader.records(ledger, ((head, path) for path in paths if names.is_run_id(_run(path))))
    found = [_entry(item) or _unreadable(path) for (_, path), item in records.items()]
    kept = [item for item in found if first.isoformat() <= item["day"] <= last.isoformat()]
    return sorted(kept, key=lambda item: (item["day"], item["run"]))


def train_seconds(ledger: Ledger, run_id: str) -> float:
    """How long the run's `train` stage took; 0 where it has not ended, or was restored from an earlier run.

    The time is in the message of the stage's commit: no output may hold one, or no run could be reproduced.
    """
    ref = next((ref for ref in (f"runs/{run_id}", f"run/{run_id}") if ledger.head(ref)), None)
    if ref is None:
        return 0.0
    begins = f"^train of {ledger.model}, run {run_id}$"
    told = git(ledger.mirror, "log", "-1", "--format=%b", f"--grep={begins}", full_ref(ref)).decode(errors="replace")
    try:
        where = f"{ledger.model} {ref}: the message of train"
        said = bounded.parse_json(told.strip().partition("\n")[0].encode(errors="replace"), where, limit=LIMIT)
        return float(said["seconds"])
    except (UnreadableRecord, ValueError, KeyError, TypeError):
        return 0.0


def _entry(found: reader.Record) -> dict[str, Any]:
    """What the record says; empty where there is none, or it cannot be read."""
    if found.missing:
        return {}
    try:
        fields = found.fields(limit=LIMIT)
        for name in ("run", "day", "outcome", "at", "why"):
            fields.get(name, str)
        names.check_run_id(fields.value["run"])
        names.day(fields.value["day"])
        datetime.fromisoformat(fields.value["at"])
        if type(fields.value.get("seconds")) not in (int, float):
            return {}
    except (UnreadableRecord, ConfigError, ValueError):
        return {}
    return fields.value if fields.value["outcome"] in _RANK else {}


def _unreadable(path: str) -> dict[str, Any]:
    run = _run(path)
    at = datetime.combine(date.fromisoformat(run[:10]), time(), UTC)
    why = "its record cannot be read"
    return {"run": run, "day": run[:10], "seconds": 0.0, "outcome": "failed", "why": why, "at": at.isoformat()}


def _run(path: str) -> str:
    return path.rpartition("/")[2].removesuffix(".json")


def _path(run_id: str) -> str:
    return f"retrainings/{names.check_run_id(run_id)[:7]}/{run_id}.json"

"""What each retraining came to and how long it trained, on branch `decisions`: one small file a run, by month of data.

`retrainings/<yyyy-mm>/<run>.json`, the month of the run's as-of day: a night reads the months it needs.
"""

from __future__ import annotations

import json
from datetime import UTC, date, datetime
from typing import Any, Literal

from pipelines.config import names
from pipelines.ledger.command import git
from pipelines.ledger.git import Ledger, full_ref
from pipelines.ledger.months import months_between
from pipelines.ledger.swap import Changes, swap
from pipelines.storage.files import json_bytes

BRANCH = "decisions"
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
        content = ledger.read(head, path) if head else None
        known = json.loads(content) if content else {}
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
    """The retrainings as of `first` to `last`, in order of day and then of their beginning, as of the last fetch."""
    head = ledger.head(BRANCH)
    if head is None:
        return []
    paths = [path for month in months_between(first, last) for path in ledger.tree(head, f"retrainings/{month}")]
    found = [json.loads(content) for content in ledger.read_many((head, path) for path in paths).values() if content]
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
    told = git(ledger.mirror, "log", "-1", "--format=%b", f"--grep={begins}", full_ref(ref)).decode()
    try:
        return float(json.loads(told.strip().partition("\n")[0])["seconds"])
    except (ValueError, KeyError, TypeError):
        return 0.0


def _path(run_id: str) -> str:
    return f"retrainings/{names.check_run_id(run_id)[:7]}/{run_id}.json"

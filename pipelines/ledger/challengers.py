"""Which finished runs passed their gates, and which of them is the challenger, as the ledger says."""

from __future__ import annotations

import json
from typing import Any

from pipelines.ledger import runs
from pipelines.ledger.git import Ledger

GATES = "out/evaluate/gates.json"


def judged(ledger: Ledger) -> dict[str, dict[str, Any]]:
    """Run id to its `gates.json` for every finished run, as of the last fetch; empty where it has none."""
    finished = runs.finished(ledger)
    found = ledger.read_many((commit, GATES) for commit in finished.values())
    return {run: json.loads(found[commit, GATES] or b"{}") for run, commit in finished.items()}


def newest(gates: dict[str, dict[str, Any]]) -> str | None:
    """Of runs with their gates the one that passed and knows the newest data, of two with the same the younger.

    It is what the alias `challenger` names in MLflow, also once it is champion; None: none has passed.
    """
    return max((run for run, answer in gates.items() if answer.get("passed") is True), default=None)

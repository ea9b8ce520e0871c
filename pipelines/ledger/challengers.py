"""Which finished runs passed their gates, and which of them is the challenger, as the ledger says."""

from __future__ import annotations

from typing import Any

from pipelines.errors import UnreadableRecord
from pipelines.ledger import broken, reader, runs
from pipelines.ledger.git import Ledger
from pipelines.ledger.reader import GATES

__all__ = ["GATES", "judged", "newest", "newest_passed"]


def judged(ledger: Ledger) -> dict[str, dict[str, Any]]:
    """Run id to its `gates.json` for every finished run, as of the last fetch; empty where it has none.

    Runs that cannot be read are left out: `broken.find` names them; and so are those that somebody has set aside.
    """
    aside = broken.discarded(ledger)
    finished = {run: commit for run, commit in runs.finished(ledger).items() if run not in aside}
    found = reader.records(ledger, ((commit, GATES) for commit in finished.values()))
    gates = {run: _gates(found[commit, GATES]) for run, commit in finished.items()}
    return {run: answer for run, answer in gates.items() if answer is not None}


def newest_passed(ledger: Ledger, runs_of: list[str]) -> tuple[str, dict[str, Any]] | None:
    """The newest of these finished runs that passed its gates, and its gates; those that cannot be read did not."""
    for run in sorted(set(runs_of) - broken.discarded(ledger).keys(), reverse=True):
        answer = _gates(reader.record(ledger, f"runs/{run}", GATES))
        if answer and answer.get("passed") is True:
            return run, answer
    return None


def newest(gates: dict[str, dict[str, Any]]) -> str | None:
    """Of runs with their gates the one that passed and knows the newest data, of two with the same the younger.

    It is what the alias `challenger` names in MLflow, also once it is champion; None: none has passed.
    """
    return max((run for run, answer in gates.items() if answer.get("passed") is True), default=None)


def _gates(found: reader.Record) -> dict[str, Any] | None:
    """What the record says; empty where there is none, None where it cannot be read."""
    try:
        return {} if found.missing else reader.gates_of(found)
    except UnreadableRecord:
        return None

"""Pinned runs: kept until somebody lets them go. Each pin and its end is a decision with a reason."""

from __future__ import annotations

from pipelines.errors import InputError, NothingToDo
from pipelines.ledger import decisions, runs
from pipelines.ledger.git import Ledger

PIN, UNPIN = "pin", "unpin"


def pinned(ledger: Ledger) -> dict[str, str]:
    """Run id to reason of the runs that are pinned, as of the last fetch."""
    told = sorted(
        decisions.find(ledger, PIN, limit=decisions.ALL) + decisions.find(ledger, UNPIN, limit=decisions.ALL), key=_when
    )
    last = {item["run"]: item for item in told}
    return {run: item["reason"] for run, item in last.items() if item["kind"] == PIN}


def pin(ledger: Ledger, run_id: str, reason: str, by: str) -> None:
    """Keep run `run_id` whatever retention says.

    Raises:
        InputError: there is no such run, or no reason.
        NothingToDo: it is pinned already.
    """
    _record(ledger, run_id, reason, by, PIN)


def unpin(ledger: Ledger, run_id: str, reason: str, by: str) -> None:
    """Let retention have run `run_id` again; raises as `pin` does."""
    _record(ledger, run_id, reason, by, UNPIN)


def _record(ledger: Ledger, run_id: str, reason: str, by: str, kind: str) -> None:
    if not reason.strip():
        raise InputError("is empty", where="--reason", remedy="say why, for whoever asks later")
    if runs.find(ledger, run_id) is None:
        raise InputError(f"there is no run {run_id}", where=ledger.url, remedy="copy its id from `evergreen status`")
    if (run_id in pinned(ledger)) is (kind == PIN):
        raise NothingToDo(f"run {run_id} is {'' if kind == PIN else 'not '}pinned", where=ledger.model)
    decisions.record(ledger, kind, {"run": run_id, "reason": reason.strip()[:1000], "by": by})


def _when(item: dict[str, str]) -> str:
    return item["at"]

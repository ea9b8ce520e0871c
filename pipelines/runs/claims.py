"""What a run owes to those who asked for it: it claims their requests, and settles them or opens them again."""

from __future__ import annotations

from pipelines.errors import EvergreenError, NothingToDo
from pipelines.ledger import requests, retrainings
from pipelines.ledger.git import Ledger
from pipelines.ledger.retrainings import Outcome


def claim(ledger: Ledger, run_id: str, *, only_if_asked: bool = False) -> tuple[str, ...]:
    """Claim every open request for run `run_id`, whose caller holds the lease; the keys of what it has.

    Raises:
        NothingToDo: `only_if_asked`, and nobody asks: the event that started this told of what others have done.
        PassingFault: the ledger cannot be reached.
    """
    claimed = requests.claim_all(ledger, run_id)
    _note_gone(ledger, claimed.gone)
    if only_if_asked and not claimed.requests:
        raise NothingToDo(
            "no request is open", where=ledger.model, remedy=f"`evergreen request {ledger.model}` opens one"
        )
    return tuple(item.key for item in claimed.requests)


def settle(ledger: Ledger, run_id: str, outcome: Outcome) -> None:
    """Run `run_id` is finished: keep what it came to, and settle what it claimed. May be repeated.

    Raises:
        PassingFault: the ledger cannot be reached.
    """
    retrainings.note(ledger, run_id, outcome)
    requests.done(ledger, run_id, outcome)


def give_up(ledger: Ledger, run_id: str, error: Exception) -> None:
    """Run `run_id` ended with `error`, which no retry heals: what it claimed is open again, unless it was done already.

    Raises:
        PassingFault: the ledger cannot be reached.
    """
    if isinstance(error, NothingToDo):
        requests.done(ledger, run_id, error.what)
        return
    why = error.line() if isinstance(error, EvergreenError) else f"{type(error).__name__}: it crashed"
    retrainings.note(ledger, run_id, "failed", why)
    requests.reopen(ledger, run_id)


def sweep(ledger: Ledger) -> tuple[str, ...]:
    """Open again what runs claimed that are gone, and count those as failed; the keys.

    Raises:
        PassingFault: the ledger cannot be reached.
    """
    opened = requests.reopen_gone(ledger)
    _note_gone(ledger, sorted({item.run for item in opened}))
    return tuple(item.key for item in opened)


def _note_gone(ledger: Ledger, runs: tuple[str, ...] | list[str]) -> None:
    for run in runs:
        retrainings.note(ledger, run, "failed", "it lost its lease before it was done")

"""Automatic rollbacks, on branch `decisions`: asked for by a night that saw a breach, settled by the promoter."""

from __future__ import annotations

from typing import Any

from pipelines.ledger import champion as champions
from pipelines.ledger import decisions
from pipelines.ledger.champion import Champion
from pipelines.ledger.git import Ledger

ASKED, SETTLED = "rollback_due", "rollback"


def ask(ledger: Ledger, standing: Champion, evidence: dict[str, Any], sentence: str) -> bool:
    """Ask for `standing` to be taken back, once for each time it became champion; True where that is new.

    Raises:
        PassingFault: the ledger cannot be reached, or never stood still.
    """
    known = {item["key"] for item in decisions.find(ledger, ASKED, limit=decisions.ALL)}
    body = {"champion": standing.version, "run": standing.run, "evidence": evidence, "sentence": sentence}
    decisions.record(ledger, ASKED, body, key=key_of(standing))
    return key_of(standing) not in known


def due(ledger: Ledger) -> dict[str, Any] | None:
    """The rollback that is asked for and neither done nor refused, as of the last fetch; None: there is none."""
    standing = champions.current(ledger)
    if standing is None:
        return None
    key = key_of(standing)
    if any(item["key"] == key for item in decisions.find(ledger, SETTLED, limit=decisions.ALL)):
        return None
    return next((item for item in decisions.find(ledger, ASKED, limit=decisions.ALL) if item["key"] == key), None)


def settle(ledger: Ledger, key: str, body: dict[str, Any]) -> None:
    """Keep what a rollback came to; raises as `ask` does."""
    decisions.record(ledger, SETTLED, body, key=key)


def key_of(standing: Champion) -> str:
    """Stands for one reign: the same version may become champion again."""
    return f"{standing.run} since {standing.since.isoformat()}"

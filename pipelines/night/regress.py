"""After a night: whether a new champion is worse than the one before would have been, and is to be taken back."""

from __future__ import annotations

from pipelines.config.model import Model
from pipelines.ledger import champion as champions
from pipelines.ledger import outbox, rollbacks
from pipelines.ledger.git import Ledger
from pipelines.ledger.outbox import Alert
from pipelines.release.regression import breach
from pipelines.stages.context import Progress


def look(ledger: Ledger, model: Model, link: str, say: Progress) -> bool:
    """Ask for an automatic rollback, once, where the bound is breached; True where one is due.

    Only the promoter carries it out. Raises PassingFault where the ledger cannot be reached.
    """
    standing = champions.current(ledger)
    if model.rollback.automatic == "off" or standing is None:
        return False
    found = breach(ledger, model.rollback, standing)
    if found is None:
        return False
    say(f"a rollback is due: {found.sentence}")
    new = rollbacks.ask(ledger, standing, found.to_json(), found.sentence)
    if new and "rollback" in model.alerts.on:
        title = f"{ledger.model}: version {standing.version} is to be taken back"
        key = f"rollback due {rollbacks.key_of(standing)}"
        outbox.queue(ledger, Alert("rollback", "failure", title, found.sentence, key, link))
    return True

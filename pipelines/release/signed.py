"""Whom the promoter believes about the champion: where signers are listed, only what they have signed.

A signed commit vouches for all before it, for it holds their hashes, and whoever signed it had looked.
"""

from __future__ import annotations

from pipelines.config.secrets import SIGNERS, SIGNING
from pipelines.errors import ConfigError, IntegrityError
from pipelines.ledger import signatures
from pipelines.ledger.git import Ledger


def trusted(ledger: Ledger) -> list[str]:
    """The commits of `champion`, newest first, from the newest that a listed signer has signed; all without a list.

    Raises:
        ConfigError: there is a list, and no key to sign with.
    """
    commits = ledger.log("champion")
    if not _listed(ledger):
        return commits
    for place, commit in enumerate(commits):
        if signatures.sound(signatures.verify(ledger, commit)):
            return commits[place:]
    return []


def demand(ledger: Ledger, head: str | None) -> None:
    """Raises IntegrityError if `head`, the champion's commit, is not from a listed signer; ConfigError as `trusted`."""
    if head is None or not _listed(ledger):
        return
    words = signatures.verify(ledger, head)
    if not signatures.sound(words):
        raise IntegrityError(
            f"the champion's newest commit is {words}",
            where=f"champion {head[:12]}",
            remedy=f"see `evergreen history {ledger.model}`; `evergreen rollback --to` a version that was signed",
        )


def _listed(ledger: Ledger) -> bool:
    if signatures.signers(ledger.secrets) is None:
        return False
    if not signatures.signing(ledger.secrets):
        # What it would write, the next promoter would have to refuse.
        raise ConfigError(
            f"there is {SIGNERS} and no {SIGNING}: what this process promotes nobody could trust",
            where=str(ledger.secrets),
            remedy="put the key there, or promote where it is",
        )
    return True

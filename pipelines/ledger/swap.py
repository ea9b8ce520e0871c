"""Changes a branch of many writers: read its head, change what is there, push; whoever was quicker is built upon."""

from __future__ import annotations

from collections.abc import Callable

from pipelines.errors import PushRefused
from pipelines.ledger.git import Ledger

Changes = dict[str, bytes | None]
_ATTEMPTS = 60


def swap(ledger: Ledger, branch: str, change: Callable[[str | None], Changes], message: str) -> str | None:
    """Put what `change` makes of the branch's head (None: no branch yet) on top of it; the head that holds it.

    `change` is asked again whenever the branch has moved meanwhile. Where it changes nothing, nothing is written.

    Raises:
        PassingFault: the ledger cannot be reached, or never stood still.
    """
    for _ in range(_ATTEMPTS):
        ledger.fetch()
        head = ledger.head(branch)
        changes = change(head)
        if not changes:
            return head
        try:
            return ledger.commit(branch, changes, message, parent=head)
        except PushRefused:
            continue
    raise PushRefused("the ledger never stood still", where=branch, remedy="try again")

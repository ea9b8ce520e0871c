"""Which version is the champion of a night: by the data's clock, so that a night of long ago is not told the future."""

from __future__ import annotations

from datetime import date

from pipelines.ledger import champion as champions
from pipelines.ledger.champion import Champion
from pipelines.ledger.git import Ledger


def champion_of(ledger: Ledger, day: date) -> Champion | None:
    """The champion on the night of `day`: the newest that knew nothing of that day, as of the last fetch.

    That is the standing one, but for a night of the past (a backfill, a repeat after a retraining). Where every
    champion was made as of `day` or later, the newest that has not learnt from its labels; None: there is none.
    """
    standing = champions.current(ledger)
    if standing is None or standing.window.as_of < day:
        return standing
    past = champions.history(ledger)
    before = (item for item in past if item.window.as_of < day)
    return next(before, None) or next((item for item in past if item.window.test_end < day), None)

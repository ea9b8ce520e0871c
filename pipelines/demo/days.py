"""Of which model, and of which days of 2013, the demo tells."""

from __future__ import annotations

from datetime import date, timedelta

MODEL = "flights"
# Taken in at the start; the retrainings are as of these days.
FIRST, LAST = "2013-01-01", "2013-04-30"
AS_OF = ("2013-03-31", "2013-04-30")
# Found with `evergreen replay flights --from 2013-04-30 --to 2013-05-31 --policy own`: the first five nights in a row
# of which one waits and one retrains to a new champion. Nothing is forced.
FIRST_NIGHT = date(2013, 5, 13)
NIGHTS = tuple(FIRST_NIGHT + timedelta(days=number) for number in range(5))

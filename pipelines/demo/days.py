"""Of which model, and of which days of 2013, the demo tells."""

from __future__ import annotations

from datetime import date, timedelta

MODEL = "flights"
# Taken in at the start; the retrainings are as of these days.
FIRST, LAST = "2013-01-01", "2013-04-30"
AS_OF = ("2013-03-31", "2013-04-30")
FIRST_NIGHT = date(2013, 5, 1)
NIGHTS = tuple(FIRST_NIGHT + timedelta(days=number) for number in range(5))

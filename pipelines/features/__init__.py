"""What the author of a `features.py` writes with: calendar, counts, lookups, trailing statistics as known before a day.

rows = attach(add_calendar(events), trailing_rate(events, labels, {"carrier": "carrier"}, days=[7, 28]), ...)
return finish(rows, [...])
"""

from pipelines.features.counts import daily_count
from pipelines.features.days import add_calendar, bucket, day_number, local_time
from pipelines.features.lookup import lookup
from pipelines.features.result import finish
from pipelines.features.stats import Stats, attach
from pipelines.features.trailing import trailing_count, trailing_mean, trailing_rate

__all__ = [
    "Stats",
    "add_calendar",
    "attach",
    "bucket",
    "daily_count",
    "day_number",
    "finish",
    "local_time",
    "lookup",
    "trailing_count",
    "trailing_mean",
    "trailing_rate",
]

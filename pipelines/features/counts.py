"""How many rows the schedule of a day holds: the same day's, or that of a day before."""

from __future__ import annotations

from ibis import Table

from pipelines.features.days import day_number
from pipelines.features.stats import DAY, Groups, Stats, columns_of


def daily_count(events: Table, groups: Groups, *, days_ago: int = 0, name: str = "count") -> list[Stats]:
    """The number of `events` per group on the day `days_ago` before a row's own, as `<name>_<group>`, int32; 0 if none.

    Day D's own events are its schedule, known before it begins. A context table that is known only after its day
    needs `days_ago` of 1 or more.

    Raises:
        ValueError: `days_ago` is negative, which would look ahead.
    """
    if days_ago < 0:
        raise ValueError(f"days_ago={days_ago} looks into the future")
    keyed = events.mutate(**{DAY: day_number(events.event_date) + days_ago})
    return [
        Stats(
            keyed.group_by([*columns_of(by), DAY]).aggregate(**{f"{name}_{group}": keyed.count().cast("int32")}),
            (*columns_of(by), DAY),
            missing=0,
        )
        for group, by in groups.items()
    ]

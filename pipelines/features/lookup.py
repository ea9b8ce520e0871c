"""Columns of another table, fetched by key."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

from ibis import Table

from pipelines.features.days import day_number
from pipelines.features.stats import DAY, Stats, columns_of


def lookup(
    table: Table,
    on: str | Sequence[str],
    columns: Mapping[str, str] | Sequence[str],
    *,
    days_ago: int | None = None,
) -> list[Stats]:
    """`columns` of `table` (a list, or new name -> its column) found by the key columns `on`, by name in both.

    `on` must be unique in `table`: a key that is there twice would double rows, which the framework refuses.
    With `days_ago` the day belongs to the key too: 0 fetches the row's own day, 1 the day before, which is the newest
    that a table known only after its day has to give.

    Raises:
        ValueError: `days_ago` is negative, which would look ahead.
    """
    if days_ago is not None and days_ago < 0:
        raise ValueError(f"days_ago={days_ago} looks into the future")
    names = dict(columns) if isinstance(columns, Mapping) else {column: column for column in columns}
    wanted = {new: table[old] for new, old in names.items()}
    keys = columns_of(on)
    if days_ago is not None:
        wanted[DAY] = day_number(table.event_date) + days_ago
        return [Stats(table.select(*keys, **wanted), (*keys, DAY))]
    return [Stats(table.select(*keys, **wanted), tuple(keys))]

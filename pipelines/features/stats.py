"""Statistics that wait to be attached to rows, and the joining of them all at once."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from ibis import Table

from pipelines.features.days import day_number

Groups = Mapping[str, str | Sequence[str]]

DAY = "_day"


@dataclass(frozen=True)
class Stats:
    """A table with one row for each combination of the columns `on`, and what stands for a combination it lacks.

    `on` may hold `_day`, the day number of the rows' `event_date`.
    """

    table: Table
    on: tuple[str, ...]
    missing: int | None = None

    @property
    def columns(self) -> list[str]:
        """The columns that it adds."""
        return [column for column in self.table.columns if column not in self.on]


def attach(rows: Table, *stats: Sequence[Stats]) -> Table:
    """`rows` with the columns of all `stats` (what `trailing_rate`, `lookup` and the others give back), row for row.

    A row whose key is null, or that no statistic is there for, gets null (counts: 0).

    Raises:
        ValueError: `rows` has a column `_day`, which this function would replace.
    """
    if DAY in rows.columns:
        raise ValueError(f"attach numbers the rows' days in a column {DAY}: give the table's own {DAY} another name")
    keyed = rows.mutate(**{DAY: day_number(rows.event_date)})
    # One chain of joins with one selection at its end: a selection after each would nest them and slow the compiler.
    joined, added = keyed, dict[str, int | None]()
    for place, part in enumerate(part for group in stats for part in group):
        right = part.table.rename({f"_{place}_{column}": column for column in part.on})
        joined = joined.left_join(right, [keyed[column] == right[f"_{place}_{column}"] for column in part.on])
        added |= dict.fromkeys(part.columns, part.missing)
    values = {
        name: joined[name] if missing is None else joined[name].fill_null(missing).cast(joined[name].type())
        for name, missing in added.items()
    }
    return joined.select(*rows.columns, **values)


def columns_of(by: str | Sequence[str]) -> list[str]:
    """A group's columns as a list; an empty one stands for 'all rows together'."""
    return [by] if isinstance(by, str) else list(by)


def all_columns(groups: Groups) -> list[str]:
    """Every column that some group uses, once each, in order of first use."""
    return list(dict.fromkeys(column for by in groups.values() for column in columns_of(by)))

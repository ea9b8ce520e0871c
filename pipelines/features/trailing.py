"""Trailing statistics: for a row of day D, sums over what was known when D began, and over nothing else.

All sums are over integers and divided once at the end, so that the result is the same to the last bit however many
threads there are. Windows are RANGE frames over day numbers: days without rows count as days, and Spark can do it too.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import ibis
from ibis import Table
from ibis.expr.types import BooleanValue, FloatingValue, IntegerValue, NumericValue

from pipelines.features.days import day_number
from pipelines.features.stats import DAY, Groups, Stats, all_columns, columns_of


def trailing_rate(
    rows: Table,
    labels: Table,
    groups: Groups,
    days: Sequence[int],
    *,
    name: str = "rate",
    of: BooleanValue | None = None,
    smooth: int = 0,
) -> list[Stats]:
    """The share of labelled rows for which `of` holds, per group, over the last `days` that were known.

    Args:
        rows: the events for which it is asked, as yet without anything attached.
        labels: `tables["labels"]`. A label counts for D from the day on that its `known_at` falls on or before D.
        groups: name -> column or columns of both tables, as in `{"carrier": "carrier", "route": ["origin", "dest"]}`;
            an empty list takes all rows together.
        days: lengths of the windows in days; the last day of each is the newest one known when D began.
        name: columns are called `<name>_<group>_<days>d`, float32, null where the window holds no label.
        of: what is counted, an expression over `labels`; by default `labels.label > 0`.
        smooth: adds that many rows with the rate of all rows in the window, so that small groups do not shout.
    """
    hit = (labels.label > 0 if of is None else of).cast("int64")
    return _means(rows, labels, groups, days, _Measure(name, hit, 1, smooth))


def trailing_mean(
    rows: Table,
    labels: Table,
    groups: Groups,
    days: Sequence[int],
    *,
    name: str = "mean",
    of: NumericValue | None = None,
    decimals: int = 3,
    smooth: int = 0,
) -> list[Stats]:
    """As `trailing_rate`, for the mean of a number (by default the label), rounded to `decimals` before it is summed.

    Rounding makes the sum exact: sums of floating-point numbers differ with the order in which threads add them.
    """
    scale = 10**decimals
    value = ((labels.label if of is None else of) * scale).round().cast("int64")
    return _means(rows, labels, groups, days, _Measure(name, value, scale, smooth))


def trailing_count(
    rows: Table, events: Table, groups: Groups, days: Sequence[int], *, name: str = "count"
) -> list[Stats]:
    """The number of `events` per group in the `days` days before D, as `<name>_<group>_<days>d`, int32.

    `events` is the events table, or a context table that is known after its day; day D itself is not counted.
    """
    keys = all_columns(groups)
    keyed = events.mutate(**{DAY: day_number(events.event_date) + 1})
    fine = keyed.group_by([*keys, DAY]).aggregate(_n=keyed.count())
    asked = _asked(rows, keys)
    found = []
    for group, by in ((group, columns_of(by)) for group, by in groups.items()):
        sums = fine.group_by([*by, DAY]).aggregate(_n=fine["_n"].sum().cast("int64"))
        totals = _windows(sums, asked.select(*by, DAY).distinct(), by, days)
        named = {f"{name}_{group}_{length}d": totals[f"_n_{length}"].cast("int32") for length in days}
        found.append(Stats(totals.select(*by, DAY, **named), (*by, DAY), missing=0))
    return found


@dataclass(frozen=True)
class _Measure:
    """An integer `value` per label row, `scale` of which make one, and the pull towards all rows' mean."""

    name: str
    value: IntegerValue
    scale: int
    smooth: int


def _means(rows: Table, labels: Table, groups: Groups, days: Sequence[int], measure: _Measure) -> list[Stats]:
    keys = all_columns(groups)
    valued = labels.mutate(**{DAY: day_number(labels.known_at.date()), "_s": measure.value})
    valued = valued.filter(valued["_s"].notnull())
    # One pass over the rows for all groups; what follows works on the few combinations there are.
    fine = valued.group_by([*keys, DAY]).aggregate(_n=valued.count(), _s=valued["_s"].sum().cast("int64"))
    asked = _asked(rows, keys)
    overall = _totals(fine, asked, [], days).rename(lambda column: column if column == DAY else f"_all{column}")
    found = []
    for group, by in ((group, columns_of(by)) for group, by in groups.items()):
        totals = _totals(fine, asked, by, days)
        if measure.smooth and by:
            totals = totals.left_join(overall, DAY)
        named = {f"{measure.name}_{group}_{length}d": _mean(totals, measure, length, by) for length in days}
        found.append(Stats(totals.select(*by, DAY, **named), (*by, DAY)))
    return found


def _mean(totals: Table, measure: _Measure, length: int, by: Sequence[str]) -> FloatingValue:
    total, count = totals[f"_s_{length}"].cast("float64"), totals[f"_n_{length}"].cast("float64")
    if measure.smooth and by:
        every = totals[f"_all_s_{length}"].cast("float64") / totals[f"_all_n_{length}"].nullif(0).cast("float64")
        total, count = total + every * measure.smooth, count + measure.smooth
    return (total / count.nullif(0) / measure.scale).cast("float32")


def _totals(fine: Table, asked: Table, by: Sequence[str], days: Sequence[int]) -> Table:
    sums = fine.group_by([*by, DAY]).aggregate(_n=fine["_n"].sum().cast("int64"), _s=fine["_s"].sum().cast("int64"))
    return _windows(sums, asked.select(*by, DAY).distinct(), by, days)


def _asked(rows: Table, keys: Sequence[str]) -> Table:
    """The combinations of keys and day for which a value is asked."""
    return rows.select(*keys, **{DAY: day_number(rows.event_date)}).distinct()


def _windows(sums: Table, asked: Table, by: Sequence[str], days: Sequence[int]) -> Table:
    """For every combination asked the sums over each window, as `<value>_<length>`.

    Sums and questions go through one window function as one list, as there is no ASOF join on Spark.
    """
    values = [column for column in sums.columns if column not in {*by, DAY}]
    told = sums.select(*by, DAY, *values, _asked=ibis.literal(0, "int8"))
    blank = asked.select(*by, DAY, **{v: ibis.literal(0, "int64") for v in values}, _asked=ibis.literal(1, "int8"))
    both = ibis.union(told, blank)
    totals: dict[str, IntegerValue] = {}
    for length in days:
        window = ibis.range_window(preceding=length - 1, following=0, group_by=list(by), order_by=DAY)
        totals |= {f"{value}_{length}": both[value].sum().over(window).cast("int64") for value in values}
    summed = both.mutate(**totals)
    return summed.filter(summed["_asked"] == 1).select(*by, DAY, *totals)

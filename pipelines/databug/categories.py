"""Categories that go under other names, or are suddenly too many."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator, Mapping

from pipelines.config.policy import BugKind
from pipelines.databug.days import MIN_ROWS, DayProfiles, Profile
from pipelines.databug.finding import Finding
from pipelines.errors import shorten

MOVED = 0.02  # of the rows: as much vanished from steady categories as came under new names
_LEAST_ROWS = 10
SWAPPED = 0.15  # of the rows changed names, and...
BEYOND = 2.0  # ...so many times what the most restless day of the history moved
_SAME = 0.4  # of it is left when names are forgotten
OVERLAP = 0.5  # of the lowest share of known values so far
MANY = 3.0  # times the most distinct values so far


def categories(table: str, days: DayProfiles) -> Iterator[Finding]:
    """A carrier that is new, or gone, is news; one that is gone while another comes in its place is a rename."""
    for name, column, before in days.columns("text") if days.comparable else ():
        if column["count"] - column["nulls"] < MIN_ROWS:
            continue
        closed = all(item["other"] == 0 for item in (column, *before))
        found = (_renamed(column, before) or _swapped(column, before)) if closed else _strangers(column, before)
        if found:
            sentence, observed, expected, score = found
            yield Finding(BugKind.CATEGORY_RENAMED, table, name, f"{name}: {sentence}", observed, expected, score)
        elif told := _exploded(column, before):
            sentence, observed, expected, score = told
            yield Finding(BugKind.CATEGORIES, table, name, f"{name}: {sentence}", observed, expected, score)


_Told = tuple[str, float | str, float | str, float]


def _shares(column: Profile) -> dict[str, float]:
    values = column["count"] - column["nulls"]
    return {value: count / values for value, count in column["top"].items()} if values else {}


def _mean_shares(before: list[Profile]) -> dict[str, float]:
    total: Counter[str] = Counter()
    for column in before:
        total.update(column["top"])
    values = sum(column["count"] - column["nulls"] for column in before)
    return {value: count / values for value, count in total.items()} if values else {}


def _renamed(column: Profile, before: list[Profile]) -> _Told | None:
    """Values of every day that are not there, against values of no day that are."""
    usual, now = _mean_shares(before), _shares(column)
    steady = set.intersection(*(set(known["top"]) for known in before))
    gone = {value: usual[value] for value in steady if value not in now}
    new = {value: share for value, share in now.items() if value not in usual}
    moved, least = min(sum(gone.values()), sum(new.values())), _LEAST_ROWS / (column["count"] - column["nulls"])
    if moved < max(MOVED, least):
        return None
    listed = _listed(gone), _listed(new)
    sentence = f"{listed[0]} are gone and {listed[1]} are new, {sum(new.values()):.0%} of rows: renamed?"
    return sentence, listed[1], listed[0], moved / max(MOVED, least)


def _swapped(column: Profile, before: list[Profile]) -> _Told | None:
    """The same names and the same sizes, but not together: codes that changed places."""
    usual, now = _mean_shares(before), _shares(column)
    restless = max(_apart(_shares(known), usual) for known in before)
    apart = _apart(now, usual)
    bound = max(SWAPPED, BEYOND * restless)
    if apart < bound or _apart(_ranked(now), _ranked(usual)) > _SAME * apart:
        return None
    worst = sorted(usual | now, key=lambda value: -abs(now.get(value, 0) - usual.get(value, 0)))[:4]
    return f"{_listed(dict.fromkeys(worst, 0.0))} changed places, {apart:.0%} of rows", apart, restless, apart / bound


def _strangers(column: Profile, before: list[Profile]) -> _Told | None:
    """Of many values only the most frequent are known: how many of today's were among those of other days."""
    pool: Counter[str] = Counter()
    for known in before:
        pool.update(dict.fromkeys(known["top"], 1))
    lowest = min((_known(known, pool, 1) for known in before if known["top"]), default=0.0)
    if not column["top"] or lowest < 0.2:
        return None
    share = _known(column, pool, 0)
    if share > OVERLAP * lowest:
        return None
    sentence = f"{share:.0%} of the frequent values were ever seen, at least {lowest:.0%} on days before: renamed?"
    return sentence, round(share, 4), round(lowest, 4), OVERLAP * lowest / max(share, 1e-3)


def _known(column: Profile, pool: Counter[str], own: int) -> float:
    """Share of the frequent values' rows whose value is in the pool, not counting a column's `own` entry."""
    seen = sum(count for value, count in column["top"].items() if pool[value] > own)
    return float(seen / sum(column["top"].values()))


def _exploded(column: Profile, before: list[Profile]) -> _Told | None:
    most = max(known["distinct"] for known in before)
    new = 1 - sum(share for value, share in _shares(column).items() if any(value in known["top"] for known in before))
    rows = max(column["count"] - column["nulls"], 1)
    widest = max(known["distinct"] / max(known["count"] - known["nulls"], 1) for known in before)
    if column["distinct"] < MANY * most or column["distinct"] / rows < MANY * widest or new < 0.5:
        return None
    return f"{column['distinct']} distinct values, at most {most} on days before", column["distinct"], most, new / 0.5


def _apart(a: Mapping[str, float], b: Mapping[str, float]) -> float:
    """Total variation distance of shares: 0 to 1."""
    return 0.5 * sum(abs(a.get(value, 0.0) - b.get(value, 0.0)) for value in {**a, **b})


def _ranked(shares: Mapping[str, float]) -> dict[str, float]:
    return {str(place): share for place, share in enumerate(sorted(shares.values(), reverse=True))}


def _listed(values: Mapping[str, float]) -> str:
    ranked = sorted(values, key=lambda value: (-values[value], value))
    more = f" and {len(ranked) - 4} more" if len(ranked) > 4 else ""
    return ", ".join(repr(shorten(value, 20)) for value in ranked[:4]) + more

"""The raw tables' profiles of a night and of the weeks before it, and what they say about broken data."""

from __future__ import annotations

from collections.abc import Collection, Sequence
from datetime import date, timedelta

from pipelines.config.model import Model, Role
from pipelines.databug.check import check
from pipelines.databug.days import Day, DayProfiles
from pipelines.drift.grid import Grid
from pipelines.ledger import nights
from pipelines.ledger.data import load_grids, load_profiles
from pipelines.ledger.git import Ledger
from pipelines.ledger.manifest import Manifest, Partition, load_manifest
from pipelines.ledger.months import months_between
from pipelines.policy.evidence import BugFact

DAYS = 56  # of history
LASTING = 28  # days in a row that looked broken, and still do not look otherwise, are how the world is now
_KIND = "monitor"  # of the branch `nights`, where earlier nights wrote what they found

TableDay = tuple[str, date]


def broken_data(ledger: Ledger, model: Model, day: date) -> tuple[BugFact, ...]:
    """What looks broken in the raw data of `day`, worst first. Days that looked broken before are no history.

    Raises:
        IntegrityError: a file of the ledger is not what this program writes.
    """
    tables = raw_profiles(ledger, model, day, broken=_broken(ledger, model, day))
    return tuple(BugFact.from_json(found.to_json()) for found in check(tables, model, day))


def raw_profiles(
    ledger: Ledger, model: Model, day: date, days: int = DAYS, *, broken: Collection[TableDay] = ()
) -> dict[str, DayProfiles]:
    """Of each daily table, the profile of `day` and those of the accepted partitions of the `days` days before it.

    The profile of a partition that was quarantined is there as well, if its file could be read. `broken` are left out
    of the history, but where the newest 28 days of a table all are: then these are its history.

    Raises:
        IntegrityError: a file of the ledger is not what this program writes.
    """
    head, first = ledger.head("data"), day - timedelta(days=days)
    manifest = load_manifest(ledger, head, months_between(first, day)) if head else Manifest()
    tables = [name for name, table in model.tables.items() if table.role is not Role.STATIC]
    grids = load_grids(ledger, tables, head) if head else {}
    found = {}
    for name in tables:
        edges = Grid.from_json(grids[name]).edges if name in grids else {}
        before = [manifest.accepted(name, (first + timedelta(days=number)).isoformat()) for number in range(days)]
        history = _days(ledger, head, [item for item in before if item])
        flagged = {at for table, at in broken if table == name}
        found[name] = _of_day(ledger, head, manifest, name, day, _sound(history, flagged), edges)
    return found


def _of_day(
    ledger: Ledger,
    head: str | None,
    manifest: Manifest,
    table: str,
    day: date,
    history: tuple[Day, ...],
    edges: dict[str, tuple[float, ...]],
) -> DayProfiles:
    newest, accepted = manifest.latest(table, day.isoformat()), manifest.accepted(table, day.isoformat())
    if newest is None:
        return DayProfiles(None, history, edges, "missing")
    today = next(iter(_days(ledger, head, [accepted or newest])), None)
    if accepted:
        return DayProfiles(today, history, edges)
    return DayProfiles(today, history, edges, "quarantined", newest.reasons)


def _days(ledger: Ledger, head: str | None, partitions: Sequence[Partition]) -> list[Day]:
    """With their profiles; a partition that has none is left out."""
    found = load_profiles(ledger, partitions, head)
    if len(found) < len(partitions):
        # Which one lacks is not told: ask for each.
        pairs = [(item, profile) for item in partitions for profile in load_profiles(ledger, [item], head)]
    else:
        pairs = list(zip(partitions, found, strict=True))
    return [Day(date.fromisoformat(item.partition), item.rows, profile) for item, profile in pairs]


def _sound(history: Sequence[Day], flagged: Collection[date]) -> tuple[Day, ...]:
    newest = history[-LASTING:]
    if len(newest) == LASTING and all(item.day in flagged for item in newest):
        return tuple(newest)
    return tuple(item for item in history if item.day not in flagged)


def _broken(ledger: Ledger, model: Model, day: date) -> set[TableDay]:
    """Tables and days of which the night said that they look broken, and that were not corrected since."""
    ignored = {str(kind) for kind in model.policy.data_bug.ignore}
    found = set()
    for night, record in nights.days(ledger, _KIND, day - timedelta(days=DAYS), day - timedelta(days=1)).items():
        tables = {bug["table"] for bug in record["bugs"] if bug["kind"] not in ignored}
        if tables:
            was = load_manifest(ledger, record["data"], [f"{night:%Y-%m}"])
            now = load_manifest(ledger, months=[f"{night:%Y-%m}"])
            found |= {(table, night) for table in tables if _same(was, now, table, night)}
    return found


def _same(was: Manifest, now: Manifest, table: str, day: date) -> bool:
    before, after = was.accepted(table, day.isoformat()), now.accepted(table, day.isoformat())
    return before is not None and after is not None and before.revision == after.revision

"""What has come since the night before: late, corrected, or still missing."""

from __future__ import annotations

from collections.abc import Iterable
from datetime import date, timedelta

from pipelines.config.model import Model, Role
from pipelines.config.names import STATIC
from pipelines.ledger.git import Ledger
from pipelines.ledger.manifest import Manifest, load_manifest
from pipelines.ledger.months import months_between
from pipelines.policy.evidence import Arrivals


def arrivals(ledger: Ledger, model: Model, manifest: Manifest, day: date, before: str | None) -> Arrivals:
    """Partitions that `day` lacks, and what has changed since the commit `before` of `data` in the days that may.

    Without `before`, the first night there is, nothing counts as late or corrected.
    """
    lacking = [f"{name} {day}" for name in _daily(model) if manifest.accepted(name, day.isoformat()) is None]
    lacking += [f"{name} {STATIC}" for name in _static(model) if manifest.accepted(name, STATIC) is None]
    first = max(day - timedelta(days=model.schedule.late_days), model.schedule.start)
    if before is None or ledger.head("data") == before:
        return Arrivals(missing=tuple(lacking))
    old = load_manifest(ledger, before, [*months_between(first, day), STATIC])
    late, corrected = [], []
    for table, partition in _watched(model, first, day):
        was, now = old.accepted(table, partition), manifest.accepted(table, partition)
        if now is None or (was is not None and was.revision == now.revision):
            continue
        if was is not None:
            corrected.append(f"{table} {partition}")
        elif partition != day.isoformat():
            late.append(f"{table} {partition}")
    return Arrivals(tuple(lacking), tuple(late), tuple(corrected))


def new_rows(model: Model, manifest: Manifest, after: date, until: date) -> int:
    """Rows of accepted events of the days after `after` until `until`."""
    days = (after + timedelta(days=number + 1) for number in range((until - after).days))
    found = (manifest.accepted(model.events, day.isoformat()) for day in days)
    return sum(item.rows for item in found if item is not None)


def _daily(model: Model) -> list[str]:
    return [name for name, table in model.tables.items() if table.role is not Role.STATIC]


def _static(model: Model) -> list[str]:
    return [name for name, table in model.tables.items() if table.role is Role.STATIC]


def _watched(model: Model, first: date, last: date) -> Iterable[tuple[str, str]]:
    for name, table in model.tables.items():
        if table.role is Role.STATIC:
            yield name, STATIC
            continue
        for number in range((last - first).days + 1):
            yield name, (first + timedelta(days=number)).isoformat()

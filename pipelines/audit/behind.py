"""The partitions that a day's features were built from, as the ledger knew them when that day was scored."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import date, datetime, timedelta
from typing import Any

from pipelines.config.model import Role
from pipelines.config.names import STATIC
from pipelines.errors import IntegrityError
from pipelines.ledger.command import git
from pipelines.ledger.git import Ledger, full_ref
from pipelines.ledger.manifest import Manifest, Partition, load_manifest
from pipelines.ledger.months import months_between
from pipelines.night.version import Version


@dataclass(frozen=True)
class Behind:
    """`commit` of branch `data`, the day's own `events`, all partitions of the look-back, and newer ones since."""

    commit: str
    events: Partition
    partitions: tuple[Partition, ...]
    corrected: tuple[Partition, ...]

    def to_json(self) -> dict[str, Any]:
        """For machines."""
        return {
            "commit": self.commit,
            "partitions": [item.to_dict() for item in self.partitions],
            "corrected_since": [item.to_dict() for item in self.corrected],
        }


def behind(ledger: Ledger, version: Version, day: date, entry: Mapping[str, Any], built: datetime) -> Behind:
    """What stood on `data` when the features of `day` were `built`: the newest commit until then with the day's events
    as the score's `entry` names them.

    Raises:
        IntegrityError: no commit of `data` has such events.
    """
    params, first = version.params, day - timedelta(days=version.history_days)
    months = [*months_between(first, day), STATIC]
    scored = entry["events"]
    for commit in [*_commits(ledger, built), *_commits(ledger)]:
        manifest = load_manifest(ledger, commit, months)
        events = _of_revision(manifest, params.events, day, scored["revision"])
        if events is not None and events.sha256 == scored["sha256"]:
            break
    else:
        raise IntegrityError(
            f"no commit of data holds the events of {day} with sha256 {scored['sha256'][:16]}…",
            where=ledger.model,
            remedy="mend the ledger",
        )
    newest = load_manifest(ledger, months=months)
    found = [
        item for table in params.tables for item in _accepted(manifest, params.tables[table].role, table, first, day)
    ]
    since = [
        now for item in found if (now := newest.accepted(item.table, item.partition)) and now.sha256 != item.sha256
    ]
    return Behind(commit, events, tuple(found), tuple(since))


def _of_revision(manifest: Manifest, table: str, day: date, revision: int) -> Partition | None:
    found = manifest.accepted(table, day.isoformat())
    return found if found is not None and found.revision == revision else None


def _commits(ledger: Ledger, until: datetime | None = None) -> list[str]:
    """The commits of `data`, newest first, those made up to `until`."""
    bound = [f"--before={int(until.timestamp())}"] if until else []
    return git(ledger.mirror, "rev-list", *bound, full_ref("data")).decode().split()


def _accepted(manifest: Manifest, role: Role, table: str, first: date, last: date) -> list[Partition]:
    days = [(first + timedelta(days=number)).isoformat() for number in range((last - first).days + 1)]
    names = [STATIC] if role is Role.STATIC else days
    return [item for name in names if (item := manifest.accepted(table, name))]

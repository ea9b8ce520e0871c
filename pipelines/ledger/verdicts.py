"""The decisions of nights, on branch `decisions`, by day of data; a repeat with other evidence is a new revision.

`nights/<yyyy-mm>/<day>.r<revision>.json` holds the decision, `evidence/...` under the same name what it was made from.
"""

from __future__ import annotations

import json
import re
from collections.abc import Iterator, Mapping
from datetime import UTC, date, datetime
from typing import Any

from pipelines.ledger.git import Ledger
from pipelines.ledger.months import months_between
from pipelines.ledger.swap import Changes, swap
from pipelines.storage.files import json_bytes

BRANCH = "decisions"
_NAME = re.compile(r"nights/\d{4}-\d{2}/(\d{4}-\d{2}-\d{2})\.r([1-9]\d*)\.json\Z", re.ASCII)


def record(ledger: Ledger, day: date, decision: Mapping[str, Any], evidence: Mapping[str, Any]) -> dict[str, Any]:
    """Keep the decision of `day` with its evidence; returns it as kept, with `kind`, `key`, `revision` and `at`.

    Where the newest revision has the same `evidence_sha256`, that one stays and is returned.

    Raises:
        PassingFault: the ledger cannot be reached, or never stood still.
    """
    kept: dict[str, Any] = {}

    def change(head: str | None) -> Changes:
        known = _newest(ledger, head, day, day).get(day)
        kept.clear()
        if known and known["evidence_sha256"] == decision["evidence_sha256"]:
            kept.update(known)
            return {}
        revision = known["revision"] + 1 if known else 1
        kept.update(decision)
        kept.update(kind="night", key=f"night-{day}", revision=revision, at=datetime.now(UTC).isoformat())
        name = f"{day:%Y-%m}/{day}.r{revision}.json"
        return {f"nights/{name}": json_bytes(kept), f"evidence/{name}": json_bytes(dict(evidence))}

    swap(ledger, BRANCH, change, f"Night of {day}: {decision['verdict']}\n")
    return kept


def newest(ledger: Ledger, first: date, last: date) -> dict[date, dict[str, Any]]:
    """The newest revision of each day's decision from `first` to `last`, in order, as of the last fetch."""
    return _newest(ledger, ledger.head(BRANCH), first, last)


def evidence_of(ledger: Ledger, decision: Mapping[str, Any]) -> Any:
    """What a decision was made from; None where it is gone."""
    day, head = str(decision["day"]), ledger.head(BRANCH)
    content = ledger.read(head, f"evidence/{day[:7]}/{day}.r{decision['revision']}.json") if head else None
    return json.loads(content) if content else None


def last_day(ledger: Ledger) -> date | None:
    """The newest day that was decided, as of the last fetch; None: none was."""
    head = ledger.head(BRANCH)
    found = _named(ledger.tree(head, "nights")) if head else iter(())
    return max((day for day, _, _ in found), default=None)


def _newest(ledger: Ledger, head: str | None, first: date, last: date) -> dict[date, dict[str, Any]]:
    if head is None:
        return {}
    paths = [path for month in months_between(first, last) for path in ledger.tree(head, f"nights/{month}")]
    wanted: dict[date, tuple[int, str]] = {}
    for day, revision, path in _named(paths):
        if first <= day <= last:
            wanted[day] = max(wanted.get(day, (0, "")), (revision, path))
    found = ledger.read_many((head, path) for _, path in wanted.values())
    return {day: json.loads(found[head, path] or b"{}") for day, (_, path) in sorted(wanted.items())}


def _named(paths: list[str]) -> Iterator[tuple[date, int, str]]:
    """Day, revision and path of each decision among `paths`."""
    return ((date.fromisoformat(m[1]), int(m[2]), path) for path in paths if (m := _NAME.match(path)))

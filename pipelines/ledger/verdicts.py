"""The decisions of nights, on branch `decisions`, by day of data; a repeat with other evidence is a new revision.

`nights/<yyyy-mm>/<day>.r<revision>.json` holds the decision, `evidence/...` under the same name what it was made from.
"""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping
from contextlib import suppress
from datetime import UTC, date, datetime
from typing import Any

from pipelines.errors import UnreadableRecord, shorten
from pipelines.ledger import reader
from pipelines.ledger.git import Ledger
from pipelines.ledger.months import months_between
from pipelines.ledger.swap import Changes, swap
from pipelines.storage import bounded
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
        taken = _revisions(ledger, head, day)
        kept.clear()
        if known and known.get("evidence_sha256") == decision.get("evidence_sha256"):
            kept.update(known)
            return {}
        revision = max(taken, default=0) + 1
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
    if not content:
        return None
    where = f"{ledger.model} {BRANCH}: evidence/{day[:7]}/{day}.r{decision['revision']}.json"
    return bounded.parse_json(content, where)


def last_day(ledger: Ledger) -> date | None:
    """The newest day that was decided, as of the last fetch; None: none was."""
    head = ledger.head(BRANCH)
    found = _named(ledger.tree(head, "nights")) if head else iter(())
    return max((day for day, _, _ in found), default=None)


def _newest(ledger: Ledger, head: str | None, first: date, last: date) -> dict[date, dict[str, Any]]:
    if head is None:
        return {}
    paths = [path for month in months_between(first, last) for path in ledger.tree(head, f"nights/{month}")]
    wanted: dict[date, dict[int, str]] = {}
    for day, revision, path in _named(paths):
        if first <= day <= last:
            wanted.setdefault(day, {})[revision] = path
    found = {day: _readable(ledger, head, paths) for day, paths in sorted(wanted.items())}
    return {day: decision for day, decision in found.items() if decision is not None}


def _readable(ledger: Ledger, head: str, revisions: dict[int, str]) -> dict[str, Any] | None:
    """The newest of a day's decisions that can be read; None: none can, as if that day had not been decided."""
    for revision in sorted(revisions, reverse=True):
        with suppress(UnreadableRecord):
            return _decision(reader.record(ledger, head, revisions[revision]))
    return None


def _decision(found: reader.Record) -> dict[str, Any]:
    """The decision in a record; raises UnreadableRecord."""
    fields = found.fields(limit=reader.EVIDENCE_LIMIT)
    for name in ("verdict", "at"):
        fields.get(name, str)
    for name in ("sentence", "evidence_sha256"):
        fields.get(name, str, "")
    fields.get("revision", int)
    try:
        aware = datetime.fromisoformat(fields.value["at"]).tzinfo is not None
    except ValueError:
        aware = False
    if not aware:
        raise bounded.unreadable(f"at: {shorten(repr(fields.value['at']))} is no time", found.where)
    return fields.value


def _revisions(ledger: Ledger, head: str | None, day: date) -> list[int]:
    """The revisions of a day's decision that are there, whether they can be read or not."""
    paths = ledger.tree(head, f"nights/{day:%Y-%m}") if head else []
    return [revision for own, revision, _ in _named(paths) if own == day]


def _named(paths: list[str]) -> Iterator[tuple[date, int, str]]:
    """Day, revision and path of each decision among `paths`."""
    for path in paths:
        match = _NAME.match(path)
        if match and len(match[2]) < 10:
            with suppress(ValueError):  # 2013-02-31 is no day, and its file none of ours
                yield date.fromisoformat(match[1]), int(match[2]), path

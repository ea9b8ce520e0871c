"""The `decisions` branch: one JSON file for every answer worth keeping, refusals among them."""

from __future__ import annotations

import hashlib
import re
from datetime import UTC, datetime
from typing import Any

from pipelines.errors import InputError, PushRefused, UnreadableRecord, shorten
from pipelines.ledger import reader
from pipelines.ledger.git import Ledger
from pipelines.storage import bounded
from pipelines.storage.files import json_bytes

REFUSAL = "refusal"
ALL = 1_000_000
_ATTEMPTS = 60
# What those of a kind have at least, by which others are told apart or let something happen.
_TEXTS = {
    "approval": ("run", "gates_sha256", "verdict", "by", "via", "answered", "reason"),
    "pin": ("run", "reason"),
    "unpin": ("run", "reason"),
    "discard": ("run", "reason"),
    "rollback": ("key",),
    "rollback_due": ("key",),
}
_KIND = re.compile(r"[a-z][a-z0-9_]{0,30}\Z", re.ASCII)


def record(
    ledger: Ledger, kind: str, body: dict[str, Any], *, key: str | None = None, now: datetime | None = None
) -> dict[str, Any]:
    """Keep `body` as a decision of this `kind`; returns it as kept, with `kind`, `key` and `at`.

    `key` (a run id, say) makes it happen once: a decision of this kind and key that is there already is returned.

    Raises:
        PassingFault: the ledger cannot be reached, or never stood still.
    """
    if not _KIND.match(kind):
        raise InputError(f"{shorten(repr(kind))} is not a kind of decision", where="decisions", remedy="use a-z and _")
    stamp = (now or datetime.now(UTC)).astimezone(UTC)
    entry = {**body, "kind": kind, "key": key, "at": stamp.isoformat()}
    content = json_bytes(entry)
    mark = hashlib.sha256(key.encode() if key is not None else content).hexdigest()[:16]
    path = f"decisions/{stamp:%Y-%m}/{stamp:%Y%m%dT%H%M%S%fZ}-{kind}-{mark}.json"
    for _ in range(_ATTEMPTS):
        ledger.fetch()
        head = ledger.head("decisions")
        same = [name for name in _paths(ledger, head) if name.endswith(f"-{kind}-{mark}.json")]
        if same and head and (known := _load(ledger, head, same[-1:], skip=True)):
            return known[0]
        try:
            ledger.commit("decisions", {path: content}, f"Record {kind}\n", parent=head)
        except PushRefused:
            continue
        return bounded.parse_json(content, path)  # type: ignore[no-any-return]
    raise PushRefused("the ledger never stood still", where="decisions", remedy="try again")


def find(ledger: Ledger, kind: str | None = None, *, limit: int = 100, skip: bool = False) -> list[dict[str, Any]]:
    """The newest `limit` decisions, of one kind if given, newest first, as of the last fetch.

    `skip` leaves out what cannot be read: only for whom a decision less can let nothing happen.

    Raises:
        UnreadableRecord: one of them is not what this program writes.
    """
    head = ledger.head("decisions")
    fitting = [name for name in _paths(ledger, head) if kind is None or f"Z-{kind}-" in name]
    return _load(ledger, head, fitting[::-1][:limit], skip=skip) if head else []


def last_refusal(ledger: Ledger) -> dict[str, Any] | None:
    """The newest decision of kind `refusal` that can be read; None where there never was one."""
    found = find(ledger, REFUSAL, limit=10, skip=True)
    return found[0] if found else None


def check(content: reader.Record) -> dict[str, Any]:
    """The decision in a record, with its `kind`, `key` and `at`; raises UnreadableRecord."""
    fields = content.fields()
    for name, kind in (("kind", str), ("at", str)):
        fields.get(name, kind)
    fields.get("key", str, None)
    for name in _TEXTS.get(fields.value["kind"], ()):
        fields.get(name, str)
    return fields.value


def _paths(ledger: Ledger, head: str | None) -> list[str]:
    return ledger.tree(head, "decisions") if head else []  # sorted by name, which begins with the time


def _load(ledger: Ledger, head: str, paths: list[str], *, skip: bool = False) -> list[dict[str, Any]]:
    found = []
    for content in reader.records(ledger, ((head, path) for path in paths)).values():
        try:
            found.append(check(content))
        except UnreadableRecord:
            if not skip:
                raise
    return found

"""The `decisions` branch: one JSON file for every answer worth keeping, refusals among them."""

from __future__ import annotations

import hashlib
import json
import re
from datetime import UTC, datetime
from typing import Any

from pipelines.errors import InputError, PushRefused, shorten
from pipelines.ledger.git import Ledger
from pipelines.storage.files import json_bytes

REFUSAL = "refusal"
_ATTEMPTS = 60
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
        if same and head:
            return _load(ledger, head, same[-1:])[0]
        try:
            ledger.commit("decisions", {path: content}, f"Record {kind}\n", parent=head)
        except PushRefused:
            continue
        return json.loads(content)  # type: ignore[no-any-return]
    raise PushRefused("the ledger never stood still", where="decisions", remedy="try again")


def find(ledger: Ledger, kind: str | None = None, *, limit: int = 100) -> list[dict[str, Any]]:
    """The newest `limit` decisions, of one kind if given, newest first, as of the last fetch."""
    head = ledger.head("decisions")
    fitting = [name for name in _paths(ledger, head) if kind is None or f"Z-{kind}-" in name]
    return _load(ledger, head, fitting[::-1][:limit]) if head else []


def last_refusal(ledger: Ledger) -> dict[str, Any] | None:
    """The newest decision of kind `refusal`; None where there never was one."""
    found = find(ledger, REFUSAL, limit=1)
    return found[0] if found else None


def _paths(ledger: Ledger, head: str | None) -> list[str]:
    return ledger.tree(head, "decisions") if head else []  # sorted by name, which begins with the time


def _load(ledger: Ledger, head: str, paths: list[str]) -> list[dict[str, Any]]:
    found = ledger.read_many((head, path) for path in paths)
    return [json.loads(content) for content in found.values() if content is not None]

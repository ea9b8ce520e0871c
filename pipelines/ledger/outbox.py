"""The outbox of alerts, on branch `decisions`: queued before anybody is told; a channel that is down loses none.

An alert waits in `alerts/queued/` until every channel has taken it, then lies in `alerts/sent/`. Its key makes it
happen once: whoever queues it again changes nothing, even after it was sent.
"""

from __future__ import annotations

import hashlib
from collections.abc import Mapping, Sequence
from contextlib import suppress
from dataclasses import asdict, dataclass, replace
from datetime import UTC, datetime
from typing import Any, Literal, Self

from pipelines.errors import UnreadableRecord, shorten
from pipelines.ledger import reader
from pipelines.ledger.git import Ledger
from pipelines.ledger.swap import Changes, swap
from pipelines.storage import bounded
from pipelines.storage.files import json_bytes

Severity = Literal["info", "success", "warning", "failure"]
TITLE_LIMIT, BODY_LIMIT, LINK_LIMIT = 200, 2000, 1000
LIMIT = 1 << 16
_BRANCH, _QUEUED = "decisions", "alerts/queued"


@dataclass(frozen=True)
class Alert:
    """What people are told. `key` stands for the occasion: of two alerts with one key only the first counts.

    `link` leads to the DAG run, where there is one.
    """

    kind: str
    severity: Severity
    title: str
    body: str
    key: str
    link: str = ""

    def to_json(self) -> dict[str, Any]:
        """Its plain form, its texts bounded and on one line each but the body's."""
        lines = [" ".join(line.split()) for line in self.body.splitlines()]
        texts = {
            "title": shorten(" ".join(self.title.split()), TITLE_LIMIT),
            "body": shorten("\n".join(lines), BODY_LIMIT),
            "link": self.link[:LINK_LIMIT],
        }
        return asdict(self) | texts


@dataclass(frozen=True)
class Queued:
    """An alert that waits. `taken` holds the marks of the channels that have it already, and when each took it."""

    alert: Alert
    at: str
    taken: Mapping[str, str]

    @classmethod
    def from_json(cls, content: bytes) -> Self:
        """The entry in `content`; raises IntegrityError for anything else."""
        try:
            fields = reader.Fields(
                reader.of_kind(bounded.parse_json(content, _QUEUED, limit=LIMIT), dict, _QUEUED), _QUEUED
            )
            alert, taken = fields.inside("alert"), fields.get("taken", dict)
            for name, value in (*alert.value.items(), *taken.items()):
                reader.of_kind(value, str, _QUEUED, name)
            return cls(Alert(**alert.value), fields.get("at", str), taken)
        except (UnreadableRecord, TypeError) as error:
            told = f": {error.what}" if isinstance(error, UnreadableRecord) else ""
            raise UnreadableRecord(f"is no alert{told}", where=_QUEUED, remedy="mend the ledger") from None

    def to_bytes(self) -> bytes:
        """The file of it."""
        return json_bytes({"alert": self.alert.to_json(), "at": self.at, "taken": dict(self.taken)})

    def with_taken(self, channel: str) -> Self:
        """The same, after `channel` has taken it."""
        return replace(self, taken={**self.taken, channel: _now()})


def queue(ledger: Ledger, alert: Alert) -> None:
    """Put `alert` into the outbox, unless its occasion was told before.

    Raises:
        PassingFault: the ledger cannot be reached, or never stood still.
    """

    def change(head: str | None) -> Changes:
        known = ledger.read_many([(head, queued), (head, sent)]) if head else {}
        return {} if any(known.values()) else {queued: Queued(alert, _now(), {}).to_bytes()}

    queued, sent = _places(alert.key)
    swap(ledger, _BRANCH, change, f"Queue an alert: {shorten(alert.title)}\n")


def waiting(ledger: Ledger) -> tuple[Queued, ...]:
    """The alerts that some channel has not taken yet, oldest first, as of the last fetch; unreadable ones keep none."""
    head = ledger.head(_BRANCH)
    if head is None:
        return ()
    found = reader.records(ledger, ((head, path) for path in ledger.tree(head, _QUEUED)))
    queued = []
    for item in found.values():
        if item.content is not None:
            with suppress(UnreadableRecord):
                queued.append(Queued.from_json(item.content))
    return tuple(sorted(queued, key=lambda item: item.at))


def settle(ledger: Ledger, entries: Sequence[tuple[Queued, bool]]) -> None:
    """Keep what channels have taken; True: all of them have it, so that it leaves the queue.

    Raises:
        PassingFault: as `queue`. What was sent may then be sent once more.
    """

    def change(head: str | None) -> Changes:  # noqa: ARG001 - one sender at a time: what it read stands
        changes: Changes = {}
        for entry, done in entries:
            queued, sent = _places(entry.alert.key)
            changes |= {queued: None, sent: entry.to_bytes()} if done else {queued: entry.to_bytes()}
        return changes

    swap(ledger, _BRANCH, change, f"Alerts sent: {sum(done for _, done in entries)} of {len(entries)}\n")


def _places(key: str) -> tuple[str, str]:
    """Where an alert lies while it waits, and where it lies when it was sent."""
    mark = hashlib.sha256(key.encode()).hexdigest()[:32]
    return f"{_QUEUED}/{mark}.json", f"alerts/sent/{mark[:2]}/{mark}.json"


def _now() -> str:
    return datetime.now(UTC).isoformat()

"""Empties a model's outbox: every queued alert to every channel that has not taken it yet."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass

from pipelines.alerts.channels import Channel
from pipelines.ledger import outbox
from pipelines.ledger.git import Ledger
from pipelines.ledger.outbox import Queued

# One call does not go on for hours where a channel answers slowly: the rest is for the next.
MOST = 50


@dataclass(frozen=True)
class Delivered:
    """How many alerts every channel has now, and how many still wait for one."""

    sent: int
    waiting: int


def deliver(ledger: Ledger, channels: Sequence[Channel], say: Callable[[str], None]) -> Delivered:
    """Send what waits in the outbox of `ledger`, oldest first. One sender at a time, or people hear things twice.

    A channel that refuses one alert is not asked for the others in this call. What was sent before a crash, and could
    not be noted, is sent again.

    Raises:
        PassingFault: the ledger cannot be reached.
    """
    found = outbox.waiting(ledger)
    entries: list[tuple[Queued, bool]] = []
    down: set[str] = set()
    for entry in found[:MOST] if channels else ():
        after = _send(entry, [channel for channel in channels if channel.mark not in down], down, say)
        done = all(channel.mark in after.taken for channel in channels)
        if done or after is not entry:
            entries.append((after, done))
    if entries:
        outbox.settle(ledger, entries)
    sent = sum(done for _, done in entries)
    return Delivered(sent, len(found) - sent)


def _send(entry: Queued, channels: Sequence[Channel], down: set[str], say: Callable[[str], None]) -> Queued:
    """`entry` with what has been taken; a channel that did not take it is added to `down`."""
    for channel in channels:
        if channel.mark in entry.taken:
            continue
        if channel.send(entry.alert):
            entry = entry.with_taken(channel.mark)
            say(f"sent to line {channel.line} ({channel.kind}): {entry.alert.title}")
        else:
            down.add(channel.mark)
            say(f"line {channel.line} ({channel.kind}) did not take: {entry.alert.title}; it stays queued")
    return entry

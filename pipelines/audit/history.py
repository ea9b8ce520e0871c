"""Who was champion when: the commits of the `champion` branch, each from its moment until the next one's."""

from __future__ import annotations

import hashlib
from collections.abc import Sequence
from dataclasses import dataclass, field
from datetime import UTC, date, datetime, time, timedelta
from functools import cached_property
from typing import Any

from pipelines.errors import ConfigError, shorten
from pipelines.ledger import champion as champions
from pipelines.ledger import signatures
from pipelines.ledger.champion import Champion
from pipelines.ledger.git import Ledger


@dataclass(frozen=True)
class Reign:
    """One version's time as champion: from its record's `since` until `until` (None: it is champion now).

    `window_sha256` is of the list of partitions behind it (its run's `window.json`), as its record says, or its run
    where the record is of before records said so; None where both are silent.
    """

    champion: Champion
    until: datetime | None
    commit: str
    window_sha256: str | None
    ledger: Ledger = field(repr=False, compare=False)

    @cached_property
    def signature(self) -> str:
        """What the signature of its commit is worth, in words."""
        return signatures.verify(self.ledger, self.commit)

    @property
    def gates(self) -> list[dict[str, Any]]:
        """The gates' results that its promotion rested on."""
        return list(self.champion.evidence.get("gates", []))

    def touches(self, first: datetime, last: datetime) -> bool:
        """Whether it was champion at any moment from `first` to `last`, both included."""
        return self.champion.since <= last and (self.until is None or self.until > first)

    def to_json(self) -> dict[str, Any]:
        """For machines: the champion's record as it was committed, and what is known around it."""
        record = self.champion.model_dump(mode="json")
        return record | {
            "from": record["since"],
            "until": self.until.isoformat() if self.until else None,
            "by": self.champion.approver or "unknown",
            "window": record["window"] | {"sha256": self.window_sha256},
            "commit": self.commit,
            "signature": self.signature,
        }


def history(ledger: Ledger) -> list[Reign]:
    """Every reign there was, the oldest first, as of the last fetch.

    Raises:
        IntegrityError: a commit of the branch holds something else than a champion.
    """
    commits = ledger.log("champion")[::-1]
    contents = ledger.read_many((commit, champions.PATH) for commit in commits)
    records = [(commit, champions.parse(commit, contents[commit, champions.PATH])) for commit in commits]
    windows = ledger.read_many((record.tag, "window.json") for _, record in records)
    ends = [*(record.since for _, record in records[1:]), *([None] if records else [])]
    return [
        Reign(
            record,
            # A promoter's clock may have stood behind the one before: no reign ends before it begins.
            max(end, record.since) if end else None,
            commit,
            record.origin.window_sha256 if record.origin else _sha256(windows[record.tag, "window.json"]),
            ledger,
        )
        for (commit, record), end in zip(records, ends, strict=True)
    ]


def at(reigns: Sequence[Reign], when: str, now: datetime | None = None) -> list[Reign]:
    """Those of `reigns` that `when` falls into: a moment (UTC unless it names a zone), or any part of a day of UTC.

    Raises:
        ConfigError: `when` is neither, or lies in the future.
    """
    first, last = _moments(when)
    if first > (now or datetime.now(UTC)):
        raise ConfigError(f"{when} has not come yet", where="--at", remedy="ask about a moment in the past")
    return [reign for reign in reigns if reign.touches(first, last)]


def _moments(when: str) -> tuple[datetime, datetime]:
    try:
        day = date.fromisoformat(when)
    except ValueError:
        pass
    else:
        first = datetime.combine(day, time(), UTC)
        return first, first + timedelta(days=1) - timedelta(microseconds=1)
    try:
        moment = datetime.fromisoformat(when)
        moment = (moment if moment.tzinfo else moment.replace(tzinfo=UTC)).astimezone(UTC)
    except (ValueError, OverflowError):
        raise ConfigError(
            f"{shorten(repr(when))} is no date and no time",
            where="--at",
            remedy="write it as 2013-06-01 or 2013-06-01T14:30 (UTC)",
        ) from None
    return moment, moment


def _sha256(content: bytes | None) -> str | None:
    return None if content is None else hashlib.sha256(content).hexdigest()

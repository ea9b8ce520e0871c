"""Requests for a retraining, on branch `decisions`: open, claimed by a run, done; each claimed by one run at a time.

A request lies in `requests/open/`, `requests/claimed/` or `requests/done/` under the hash of its key, and moves in one
commit: of many that claim at once, one finds it open. What a run claimed and did not settle before it lost the model's
lease is open again.
"""

from __future__ import annotations

import hashlib
from collections.abc import Callable, Iterable, Iterator
from contextlib import suppress
from dataclasses import asdict, dataclass, replace
from datetime import UTC, datetime, timedelta
from typing import Literal, Self, get_args

from pipelines.errors import ConfigError, IntegrityError, UnreadableRecord, shorten
from pipelines.ledger import lease, reader, verdicts
from pipelines.ledger.git import Ledger
from pipelines.ledger.swap import Changes, swap
from pipelines.storage import bounded
from pipelines.storage.files import json_bytes

BRANCH = "decisions"
KEY_LIMIT, REASON_LIMIT = 250, 500
LIMIT = 1 << 16
NIGHT = "night"  # who asked, where a night decided it
_PATIENCE = timedelta(hours=24)
# What holds a request back when the newest night said it: one that a night decided on has passed the other guards.
_HELD = {True: frozenset({"data_bug", "broken"}), False: frozenset({"data_bug", "broken", "over_budget", "cooldown"})}
# Where nights have ended, none will let go.
_STALE = timedelta(hours=48)
State = Literal["open", "claimed", "done"]


@dataclass(frozen=True)
class Asked:
    """One request. `key` stands for the occasion; `failed` runs claimed it and did not settle it, the last at `since`.

    `run` is the run that claimed it last, `outcome` what came of it.
    """

    key: str
    reason: str
    by: str
    at: str
    state: State = "open"
    since: str = ""
    run: str = ""
    failed: int = 0
    outcome: str = ""

    @classmethod
    def from_json(cls, content: bytes) -> Self:
        """The request in `content`; raises IntegrityError for anything else."""
        where = f"{BRANCH}: requests"
        try:
            made = cls(**reader.of_kind(bounded.parse_json(content, where, limit=LIMIT), dict, where))
            for name in ("key", "reason", "by", "at", "since", "run", "outcome", "state"):
                reader.of_kind(getattr(made, name), str, where, name)
            reader.of_kind(made.failed, int, where, "failed")
            moments = [datetime.fromisoformat(moment) for moment in (made.at, made.since) if moment]
            if made.state not in get_args(State) or any(moment.tzinfo is None for moment in moments):
                raise ValueError
        except (UnreadableRecord, ValueError, TypeError) as error:
            told = f": {error.what}" if isinstance(error, UnreadableRecord) else ""
            raise UnreadableRecord(f"is no request{told}", where=where, remedy="mend the ledger") from None
        return made

    def due(self, now: datetime) -> bool:
        """Whether it should be tried: after each failure an hour, two, four … later, a day at most."""
        if not self.failed:
            return True
        wait = min(_PATIENCE, timedelta(hours=2 ** (min(self.failed, 10) - 1)))
        return not self.since or now >= datetime.fromisoformat(self.since) + wait


@dataclass(frozen=True)
class Claimed:
    """What a run has claimed, and the runs that had claimed some of it before and are gone."""

    requests: tuple[Asked, ...]
    gone: tuple[str, ...]


def ask(ledger: Ledger, key: str, reason: str, by: str) -> Asked:
    """Open a request, unless there ever was one with this key: that is what comes back, whatever its state.

    Raises:
        ConfigError: `key` or `reason` is empty, too long, or holds control characters.
        PassingFault: the ledger cannot be reached, or never stood still.
    """
    wanted = Asked(
        _text(key, "key", KEY_LIMIT), _text(reason, "reason", REASON_LIMIT), _text(by, "by", KEY_LIMIT), _now()
    )

    def change(head: str | None) -> Changes:
        return {} if _find(ledger, head, key) else {_path(wanted): _bytes(wanted)}

    head = swap(ledger, BRANCH, change, f"Ask for a retraining: {shorten(wanted.key)}\n")
    found = _find(ledger, head, key)
    if found is None:
        raise IntegrityError("the request is gone again", where=f"{BRANCH}: requests", remedy="mend the ledger")
    return found


def claim_all(ledger: Ledger, run_id: str) -> Claimed:
    """Claim for `run_id`, which holds the lease, all that is open, and what runs had claimed that are gone.

    Raises:
        PassingFault: as `ask`.
    """
    gone: set[str] = set()

    def change(head: str | None) -> Changes:
        gone.clear()
        changes: Changes = {}
        for item in _in(ledger, head, "open", "claimed"):
            if item.run != run_id or item.state == "open":
                gone.update({item.run} if item.state == "claimed" else ())
                failed = item.failed + (item.state == "claimed")
                taken = replace(item, state="claimed", run=run_id, since=_now(), failed=failed)
                changes |= _moved(item, taken)
        return changes

    head = swap(ledger, BRANCH, change, f"Requests claimed by {run_id}\n")
    return Claimed(tuple(item for item in _in(ledger, head, "claimed") if item.run == run_id), tuple(sorted(gone)))


def done(ledger: Ledger, run_id: str, outcome: str) -> tuple[Asked, ...]:
    """Settle what `run_id` claimed, also if it was opened again meanwhile and nobody else has it; raises as `ask`."""

    def settled(item: Asked) -> Asked | None:
        return replace(item, state="done", since=_now(), outcome=outcome) if item.run == run_id else None

    return _settle(ledger, settled, f"Requests done by {run_id}: {outcome}\n", "open", "claimed")


def reopen(ledger: Ledger, run_id: str) -> tuple[Asked, ...]:
    """Open again what `run_id` claimed and has not settled; raises as `ask`."""

    def settled(item: Asked) -> Asked | None:
        return _opened(item) if item.run == run_id else None

    return _settle(ledger, settled, f"Requests open again after {run_id}\n", "claimed")


def reopen_gone(ledger: Ledger) -> tuple[Asked, ...]:
    """Open again what is claimed by runs that hold the model's lease no longer; raises as `ask`."""

    def settled(item: Asked) -> Asked | None:
        return _opened(item) if item.run != _holder(ledger) else None

    return _settle(ledger, settled, "Requests open again: their runs are gone\n", "claimed")


def open_requests(ledger: Ledger) -> tuple[Asked, ...]:
    """What is open, oldest first, as of the last fetch; what is claimed by runs that are gone counts."""
    holder = _holder(ledger)
    found = _in(ledger, ledger.head(BRANCH), "open", "claimed")
    return tuple(item for item in found if item.state == "open" or item.run != holder)


def due(ledger: Ledger, now: datetime | None = None) -> tuple[str, ...]:
    """The keys of open requests that somebody should wake now, as of the last fetch.

    While the newest night says that the data look broken, or that no retraining is to be tried, none is; nor is what
    others than a night ask for while it says that the budget is spent or a cooldown lasts: the next night decides.
    """
    moment = now or datetime.now(UTC)
    verdict = _newest_verdict(ledger, moment)
    return tuple(
        item.key for item in open_requests(ledger) if item.due(moment) and verdict not in _HELD[item.by == NIGHT]
    )


def find(ledger: Ledger, key: str) -> Asked | None:
    """The request with this key, as of the last fetch; None: there never was one."""
    return _find(ledger, ledger.head(BRANCH), key)


def _settle(
    ledger: Ledger, settled: Callable[[Asked], Asked | None], message: str, *states: State
) -> tuple[Asked, ...]:
    found: list[Asked] = []

    def change(head: str | None) -> Changes:
        pairs = [(item, after) for item in _in(ledger, head, *states) if (after := settled(item))]
        found[:] = [after for _, after in pairs]
        return {path: content for pair in pairs for path, content in _moved(*pair).items()}

    swap(ledger, BRANCH, change, message)
    return tuple(found)


def _opened(item: Asked) -> Asked:
    return replace(item, state="open", since=_now(), failed=item.failed + 1)


def _moved(before: Asked, after: Asked) -> Changes:
    return {_path(before): None} | {_path(after): _bytes(after)}


def _newest_verdict(ledger: Ledger, now: datetime) -> str:
    day = verdicts.last_day(ledger)
    newest = verdicts.newest(ledger, day, day).get(day, {}) if day else {}
    fresh = newest and now - datetime.fromisoformat(newest["at"]) < _STALE
    return str(newest["verdict"]) if fresh else ""


def _holder(ledger: Ledger) -> str | None:
    standing = lease.read(ledger)
    return standing.holder(datetime.now(UTC)) if standing else None


def _in(ledger: Ledger, head: str | None, *states: State) -> list[Asked]:
    if head is None:
        return []
    paths = [path for state in states for path in ledger.tree(head, f"requests/{state}")]
    return sorted(_read(ledger, head, paths), key=lambda item: (item.at, item.key))


def _find(ledger: Ledger, head: str | None, key: str) -> Asked | None:
    states: tuple[State, ...] = ("open", "claimed", "done")
    paths = [_place(key, state) for state in states]
    return next(_read(ledger, head, paths), None) if head else None


def _read(ledger: Ledger, head: str, paths: Iterable[str]) -> Iterator[Asked]:
    """Those at `paths` that can be read: nobody can act on the others, and they keep nobody from acting on these."""
    for found in reader.records(ledger, ((head, path) for path in paths)).values():
        if found.content is not None:
            with suppress(UnreadableRecord):
                yield Asked.from_json(found.content)


def _path(item: Asked) -> str:
    return _place(item.key, item.state)


def _place(key: str, state: State) -> str:
    mark = hashlib.sha256(key.encode()).hexdigest()[:32]
    return f"requests/{state}/{mark[:2]}/{mark}.json" if state == "done" else f"requests/{state}/{mark}.json"


def _bytes(item: Asked) -> bytes:
    return json_bytes(asdict(item))


def _text(text: str, what: str, limit: int) -> str:
    if not text.strip() or len(text) > limit or not text.isprintable():
        raise ConfigError(
            f"{shorten(repr(text))} cannot be it",
            where=f"request {what}",
            remedy=f"one line of 1 to {limit} characters",
        )
    return text


def _now() -> str:
    return datetime.now(UTC).isoformat()

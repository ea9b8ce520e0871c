"""The `lease` branch: who may run now. Each holder gets a larger fencing number, and only the largest may publish."""

from __future__ import annotations

import os
import secrets
import socket
from datetime import UTC, datetime, timedelta
from typing import Annotated

from pydantic import BaseModel, ConfigDict, Field, ValidationError

from pipelines.config import names
from pipelines.errors import LeaseHeld, PushRefused, UnreadableRecord
from pipelines.ledger import reader
from pipelines.ledger.git import Ledger
from pipelines.storage.files import json_bytes

PATH = "lease.json"
LIMIT = 1 << 16
_ATTEMPTS = 20


class Lease(BaseModel):
    """The contents of `lease.json`. With a `pid`, the lease dies with that process of `host`."""

    model_config = ConfigDict(extra="forbid", frozen=True)

    owner: str
    fencing: Annotated[int, Field(ge=1)]
    expires: datetime
    released: bool = False
    host: str = ""
    pid: int | None = None
    started: float | None = None
    token: str = ""

    def holder(self, now: datetime) -> str | None:
        """The run that holds the lease; None when it is free, expired, or its process has died."""
        if self.released or self.expires <= now or self._died():
            return None
        return self.owner

    def _died(self) -> bool:
        return self.pid is not None and self.host == socket.gethostname() and _started(self.pid) != self.started


def read(ledger: Ledger) -> Lease | None:
    """The lease when the ledger was last fetched; None where nobody ever took it.

    Raises:
        IntegrityError: the branch holds something else.
    """
    return _at(ledger, ledger.head("lease"))


def acquire(ledger: Ledger, run_id: str, seconds: float, *, pid: int | None = None, now: datetime | None = None) -> int:
    """Take the lease for `run_id` and return the fencing number, larger than any before.

    A run whose stages are processes of their own takes it again in each of them; one that lives in a single
    process gives its `pid`, so that the lease is free when that process dies, before it expires.

    Raises:
        LeaseHeld: another run holds it, or another live process holds it for this run.
    """
    names.check_run_id(run_id)
    for _ in range(_ATTEMPTS):
        ledger.fetch()
        head = ledger.head("lease")
        standing = _at(ledger, head)
        moment = now or datetime.now(UTC)
        _refuse_if_held(standing, run_id, pid, moment)
        lease = Lease(
            owner=run_id,
            fencing=standing.fencing + 1 if standing else 1,
            expires=moment + timedelta(seconds=seconds),
            host=socket.gethostname(),
            pid=pid,
            started=_started(pid) if pid is not None else None,
            token=secrets.token_hex(8),
        )
        try:
            _write(ledger, lease, head, f"Lease to {run_id}")
        except PushRefused:
            continue  # somebody was quicker: look who, and whether they hold it still
        return lease.fencing
    raise PushRefused("the lease never stood still", where="lease", remedy="try again")


def renew(ledger: Ledger, run_id: str, fencing: int, seconds: float, *, now: datetime | None = None) -> None:
    """Hold the lease for `seconds` more from now; raises LeaseHeld when it is no longer ours."""
    for _ in range(_ATTEMPTS):
        lease, head = check(ledger, run_id, fencing)
        later = (now or datetime.now(UTC)) + timedelta(seconds=seconds)
        try:
            _write(ledger, lease.model_copy(update={"expires": later, "token": secrets.token_hex(8)}), head, "Renew")
        except PushRefused:
            continue
        return
    raise PushRefused("the lease never stood still", where="lease", remedy="try again")


def release(ledger: Ledger, run_id: str, fencing: int) -> bool:
    """Give the lease back; False when it was no longer ours, which changes nothing."""
    for _ in range(_ATTEMPTS):
        try:
            lease, head = check(ledger, run_id, fencing)
            _write(ledger, lease.model_copy(update={"released": True}), head, f"Lease back from {run_id}")
        except LeaseHeld:
            return False
        except PushRefused:
            continue
        return True
    raise PushRefused("the lease never stood still", where="lease", remedy="try again")


def check(ledger: Ledger, run_id: str, fencing: int) -> tuple[Lease, str]:
    """Fetch and return the lease and its commit, provided `run_id` still holds it under this number.

    An expired lease that nobody else took is still ours: the number is what counts, not the clock.

    Raises:
        LeaseHeld: somebody took it since, or it was given back.
    """
    ledger.fetch()
    head = ledger.head("lease")
    lease = _at(ledger, head)
    if head is None or lease is None or lease.released or (lease.owner, lease.fencing) != (run_id, fencing):
        now_at = f"{lease.owner} under number {lease.fencing}" if lease and not lease.released else "nobody"
        raise LeaseHeld(
            f"run {run_id} lost its lease (number {fencing}): it is with {now_at}",
            where="lease",
            remedy="nothing was written; start the stage again to take it anew",
        )
    return lease, head


def _refuse_if_held(standing: Lease | None, run_id: str, pid: int | None, now: datetime) -> None:
    holder = standing.holder(now) if standing else None
    if standing is None or holder is None:
        return
    other_process = standing.pid is not None and standing.pid != (os.getpid() if pid is None else pid)
    if holder != run_id or other_process:
        raise LeaseHeld(
            f"run {holder} holds it until {standing.expires:%Y-%m-%d %H:%M:%S} UTC",
            where=f"lease of {standing.host}",
            remedy="wait until it ends, one run of a model at a time",
        )


def _write(ledger: Ledger, lease: Lease, parent: str | None, text: str) -> None:
    ledger.commit("lease", {PATH: json_bytes(lease.model_dump(mode="json"))}, text, parent=parent)


def _at(ledger: Ledger, commit: str | None) -> Lease | None:
    if commit is None:
        return None
    try:
        found = reader.record(ledger, commit, PATH).fields(limit=LIMIT)
        return Lease.model_validate_json(json_bytes(found.value))
    except ValidationError as error:
        first = error.errors(include_url=False, include_input=False)[0]
        raise UnreadableRecord(
            f"{PATH} cannot be read: {first['msg']}", where=f"lease {commit[:12]}", remedy="mend the ledger"
        ) from None


def _started(pid: int) -> float | None:
    """When process `pid` of this host began, so that a reused number is not mistaken for it; None: there is none."""
    import psutil

    try:
        process = psutil.Process(pid)
        return None if process.status() == psutil.STATUS_ZOMBIE else round(process.create_time(), 1)
    except psutil.NoSuchProcess:
        return None

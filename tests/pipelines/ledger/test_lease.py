"""The lease: one winner, a number that grows, and no way round it for who lost it."""

from __future__ import annotations

import os
import subprocess
import sys
from concurrent.futures import ThreadPoolExecutor
from datetime import UTC, datetime, timedelta

import pytest

from pipelines.errors import ConfigError, LeaseHeld
from pipelines.ledger import Ledger, lease

ONE, TWO = "2024-02-05-20260101T000000Z-abcdef", "2024-02-06-20260102T000000Z-123456"
NOW = datetime(2026, 1, 1, tzinfo=UTC)


def run_number(number):
    return f"2024-02-05-20260101T000000Z-{number:06x}"


def test_twenty_at_once_one_winner(world):
    def take(number):
        try:
            return lease.acquire(Ledger.open(world.settings, "tiny"), run_number(number), 600)
        except LeaseHeld:
            return None

    with ThreadPoolExecutor(20) as pool:
        won = [number for number in pool.map(take, range(20)) if number]
    assert won == [1]


def test_the_refusal_names_holder_and_expiry(world):
    lease.acquire(world.ledger, ONE, 600, now=NOW)
    with pytest.raises(LeaseHeld, match=rf"{ONE} holds it until 2026-01-01 00:10:00 UTC"):
        lease.acquire(world.ledger, TWO, 600, now=NOW)


def test_the_number_grows_with_every_holder(world):
    first = lease.acquire(world.ledger, ONE, 600, now=NOW)
    assert lease.release(world.ledger, ONE, first)
    second = lease.acquire(world.ledger, TWO, 600, now=NOW)
    third = lease.acquire(world.ledger, TWO, 600, now=NOW)  # the next stage of the same run
    late = lease.acquire(world.ledger, ONE, 600, now=NOW + timedelta(hours=1))
    assert [first, second, third, late] == [1, 2, 3, 4]


def test_who_lost_it_can_neither_renew_nor_release(world):
    first = lease.acquire(world.ledger, ONE, 600, now=NOW)
    second = lease.acquire(world.ledger, TWO, 600, now=NOW + timedelta(days=1))
    with pytest.raises(LeaseHeld, match=f"it is with {TWO}"):
        lease.renew(world.ledger, ONE, first, 600)
    assert not lease.release(world.ledger, ONE, first)
    lease.check(world.ledger, TWO, second)


def test_renewing_moves_the_end(world):
    number = lease.acquire(world.ledger, ONE, 10, now=NOW)
    lease.renew(world.ledger, ONE, number, 600, now=NOW + timedelta(seconds=5))
    with pytest.raises(LeaseHeld):
        lease.acquire(world.ledger, TWO, 10, now=NOW + timedelta(seconds=100))


def test_a_dead_process_of_this_host_loses_it_at_once(world):
    process = subprocess.Popen([sys.executable, "-c", "import time; time.sleep(60)"])
    try:
        lease.acquire(world.ledger, ONE, 3600, pid=process.pid)
        with pytest.raises(LeaseHeld):
            lease.acquire(world.ledger, TWO, 3600)
        with pytest.raises(LeaseHeld):  # the same run, started a second time beside the first
            lease.acquire(world.ledger, ONE, 3600, pid=os.getpid())
    finally:
        process.kill()
        process.wait()
    assert lease.acquire(world.ledger, TWO, 3600) == 2


def test_a_number_that_another_process_uses_now_is_not_the_holder(world):
    lease.acquire(world.ledger, ONE, 3600, pid=os.getpid())
    standing = lease.read(world.ledger)
    assert standing.holder(datetime.now(UTC)) == ONE
    assert standing.model_copy(update={"started": 1.0}).holder(datetime.now(UTC)) is None


def test_what_is_no_run_id_gets_no_lease(world):
    with pytest.raises(ConfigError):
        lease.acquire(world.ledger, "../../x", 10)
    assert world.fresh().head("lease") is None

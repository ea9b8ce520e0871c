"""Requests: one a key, claimed by one run, never lost with the run that claimed them."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import textwrap
import time
from concurrent.futures import ThreadPoolExecutor
from datetime import UTC, date, datetime, timedelta

import pytest

from pipelines.errors import ConfigError, IntegrityError
from pipelines.ledger import Ledger, lease, requests, verdicts
from pipelines.ledger.requests import Asked

ONE, TWO = "2024-02-05-20260101T000000Z-abcdef", "2024-02-06-20260102T000000Z-123456"


def run_number(number):
    return f"2024-02-05-20260101T000000Z-{number:06x}"


def keys(items):
    return {item.key for item in items}


def test_the_same_key_twice_is_one_request(world):
    first = requests.ask(world.ledger, "vendor-1", "prices moved", "command line")
    again = requests.ask(world.fresh(), "vendor-1", "prices moved again", "somebody else")
    assert again == first
    assert keys(requests.open_requests(world.fresh())) == {"vendor-1"}
    lease.acquire(world.ledger, ONE, 600)
    requests.claim_all(world.ledger, ONE)
    requests.done(world.ledger, ONE, "passed")
    settled = requests.ask(world.fresh(), "vendor-1", "prices moved", "command line")
    assert (settled.state, settled.run, settled.outcome) == ("done", ONE, "passed")
    assert requests.open_requests(world.fresh()) == ()


def test_one_key_of_twenty_at_once_is_one_request(world):
    with ThreadPoolExecutor(20) as pool:
        asked = list(pool.map(lambda _: requests.ask(world.fresh(), "vendor-1", "prices", "test"), range(20)))
    assert len(set(asked)) == 1
    assert len(world.fresh().log("decisions")) == 1


def test_twenty_claim_at_once_and_one_has_it(world):
    requests.ask(world.ledger, "vendor-1", "prices moved", "test")
    requests.ask(world.ledger, "vendor-2", "prices moved", "test")

    # All believe that they hold the lease, as after a pause in which it passed from one to the next.
    def claim(number):
        ledger = Ledger.open(world.settings, "tiny")
        lease.acquire(ledger, run_number(number), 0.001)
        return {item.key for item in requests.claim_all(ledger, run_number(number)).requests}

    with ThreadPoolExecutor(20) as pool:
        claimed = list(pool.map(claim, range(20)))
    assert all(found in ({"vendor-1", "vendor-2"}, set()) for found in claimed)
    ledger = world.fresh()
    owners = {requests.find(ledger, key).run for key in ("vendor-1", "vendor-2")}
    assert len(owners) == 1
    (owner,) = owners
    assert keys(requests.done(ledger, owner, "passed")) == {"vendor-1", "vendor-2"}
    others = [run_number(number) for number in range(20) if run_number(number) != owner]
    assert all(requests.done(ledger, other, "passed") == () for other in others)


def test_who_claims_again_has_what_it_had(world):
    lease.acquire(world.ledger, ONE, 600)
    requests.ask(world.ledger, "vendor-1", "prices moved", "test")
    first = requests.claim_all(world.ledger, ONE)
    head = world.ledger.head("decisions")
    assert requests.claim_all(world.fresh(), ONE) == first
    assert world.fresh().head("decisions") == head
    assert requests.open_requests(world.ledger) == ()
    assert requests.due(world.ledger) == ()


def test_a_failed_run_opens_its_claim_again(world):
    lease.acquire(world.ledger, ONE, 600)
    requests.ask(world.ledger, "vendor-1", "prices moved", "test")
    requests.claim_all(world.ledger, ONE)
    (opened,) = requests.reopen(world.ledger, ONE)
    assert (opened.state, opened.failed, opened.run) == ("open", 1, ONE)
    assert requests.reopen(world.ledger, ONE) == ()


def test_what_failed_is_tried_later_and_later(world):
    lease.acquire(world.ledger, ONE, 600)
    requests.ask(world.ledger, "vendor-1", "prices moved", "test")
    now = datetime.now(UTC)
    assert requests.due(world.ledger) == ("vendor-1",)
    for hours in (1, 2, 4, 8, 16, 24, 24):
        requests.claim_all(world.ledger, ONE)
        requests.reopen(world.ledger, ONE)
        assert requests.due(world.ledger, now + timedelta(hours=hours, minutes=-5)) == ()
        assert requests.due(world.ledger, now + timedelta(hours=hours, minutes=5)) == ("vendor-1",)


def test_a_run_that_is_gone_leaves_its_claim_to_the_next(world):
    requests.ask(world.ledger, "vendor-1", "prices moved", "test")
    lease.acquire(world.ledger, ONE, 0.01)
    requests.claim_all(world.ledger, ONE)
    time.sleep(0.05)
    assert keys(requests.open_requests(world.ledger)) == {"vendor-1"}
    lease.acquire(world.ledger, TWO, 600)
    claimed = requests.claim_all(world.ledger, TWO)
    assert (keys(claimed.requests), claimed.gone) == ({"vendor-1"}, (ONE,))
    assert requests.done(world.ledger, ONE, "passed") == ()  # too late: it is another's
    assert keys(requests.done(world.ledger, TWO, "refused")) == {"vendor-1"}


def test_a_run_that_ends_after_its_claim_was_opened_settles_it(world):
    requests.ask(world.ledger, "vendor-1", "prices moved", "test")
    lease.acquire(world.ledger, ONE, 0.01)
    requests.claim_all(world.ledger, ONE)
    time.sleep(0.05)
    assert keys(requests.reopen_gone(world.ledger)) == {"vendor-1"}
    assert keys(requests.done(world.ledger, ONE, "passed")) == {"vendor-1"}


def test_the_claim_of_a_run_at_work_is_left_alone(world):
    requests.ask(world.ledger, "vendor-1", "prices moved", "test")
    lease.acquire(world.ledger, ONE, 600)
    requests.claim_all(world.ledger, ONE)
    assert requests.reopen_gone(world.ledger) == ()
    requests.ask(world.ledger, "vendor-2", "prices moved", "test")
    assert keys(requests.open_requests(world.ledger)) == {"vendor-2"}


@pytest.mark.parametrize(
    ("verdict", "woken"),
    [
        ("wait", {"vendor-1", "night-2024-02-04"}),
        ("retrain", {"vendor-1", "night-2024-02-04"}),
        ("cooldown", {"night-2024-02-04"}),
        ("over_budget", {"night-2024-02-04"}),
        ("broken", set()),
        ("data_bug", set()),
    ],
)
def test_the_newest_night_may_hold_requests_back(world, verdict, woken):
    requests.ask(world.ledger, "vendor-1", "prices moved", "test")
    requests.ask(world.ledger, "night-2024-02-04", "age fired", requests.NIGHT)
    for day, said in ((date(2024, 2, 4), "retrain"), (date(2024, 2, 5), verdict)):
        decision = {"day": day.isoformat(), "verdict": said, "evidence_sha256": "a" * 64}
        verdicts.record(world.ledger, day, decision, {})
    assert set(requests.due(world.ledger)) == woken
    # Nobody waits for a night where nights have ended.
    assert len(requests.due(world.ledger, datetime.now(UTC) + timedelta(days=3))) == 2


CHILD = """
import os, sys
from dataclasses import replace
from pathlib import Path
from pipelines.config import settings
from pipelines.ledger import Ledger, lease, requests
ledger = Ledger.open(settings.load(), "tiny")
lease.acquire(ledger, {run!r}, 3600, pid=os.getpid())
print("held", flush=True)
while True:
    requests.claim_all(ledger, {run!r})
    requests.reopen(ledger, {run!r})
"""


@pytest.mark.slow
def test_claimers_that_are_killed_lose_and_double_nothing(world, tmp_path):
    from pipelines.config.settings import child_environment

    for number in range(5):
        requests.ask(world.ledger, f"vendor-{number}", "prices moved", "test")
    script = tmp_path / "claim.py"
    for number, seconds in enumerate((0.05, 0.2, 0.45)):
        script.write_text(textwrap.dedent(CHILD.format(run=run_number(number))))
        env = child_environment(world.settings) | {"PYTHONPATH": os.getcwd()}  # noqa: PTH109
        with subprocess.Popen([sys.executable, str(script)], env=env, stdout=subprocess.PIPE) as process:
            assert process.stdout
            assert process.stdout.readline() == b"held\n"
            time.sleep(seconds)
            process.send_signal(signal.SIGKILL)
        ledger = world.fresh()
        assert keys(requests.open_requests(ledger)) == {f"vendor-{item}" for item in range(5)}
    lease.acquire(world.ledger, TWO, 600)
    assert len(requests.claim_all(world.fresh(), TWO).requests) == 5
    assert len(requests.done(world.fresh(), TWO, "passed")) == 5
    assert requests.open_requests(world.fresh()) == ()


@pytest.mark.parametrize(
    ("key", "reason"), [("", "why"), (" ", "why"), ("k" * 251, "why"), ("a\nb", "why"), ("k", ""), ("k", "a\x1b[0m")]
)
def test_what_is_no_key_or_reason(world, key, reason):
    with pytest.raises(ConfigError, match="request"):
        requests.ask(world.ledger, key, reason, "test")


def test_what_is_no_request_is_named():
    with pytest.raises(IntegrityError, match="is no request"):
        Asked.from_json(b"[]")


def test_a_ledger_without_decisions_has_no_requests(world):
    assert requests.open_requests(world.ledger) == ()
    assert requests.find(world.ledger, "vendor-1") is None
    assert requests.claim_all(world.ledger, ONE).requests == ()
    assert world.ledger.head("decisions") is None

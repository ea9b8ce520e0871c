"""The outbox: an occasion is told once, nothing is lost to a race, what was sent leaves the queue."""

from __future__ import annotations

from concurrent.futures import ThreadPoolExecutor

import pytest

from pipelines.errors import IntegrityError
from pipelines.ledger import Ledger, outbox
from pipelines.ledger.outbox import Alert


def alert(key: str = "night-2024-02-01", **changes: str) -> Alert:
    values = {"kind": "data_bug", "severity": "failure", "title": "tiny: broken data", "body": "distance is in km now"}
    return Alert(**{**values, "key": key, **changes})  # type: ignore[arg-type]


def test_an_occasion_is_told_once(world):
    outbox.queue(world.ledger, alert())
    outbox.queue(world.fresh(), alert(title="again"))
    (entry,) = outbox.waiting(world.fresh())
    assert (entry.alert.title, entry.taken) == ("tiny: broken data", {})


def test_nor_is_it_told_again_once_it_was_sent(world):
    outbox.queue(world.ledger, alert())
    (entry,) = outbox.waiting(world.ledger)
    outbox.settle(world.ledger, [(entry.with_taken("abc"), True)])
    assert outbox.waiting(world.ledger) == ()
    outbox.queue(world.fresh(), alert())
    assert outbox.waiting(world.ledger) == ()


def test_what_some_channel_lacks_stays(world):
    outbox.queue(world.ledger, alert())
    (entry,) = outbox.waiting(world.ledger)
    outbox.settle(world.ledger, [(entry.with_taken("abc"), False)])
    (entry,) = outbox.waiting(world.fresh())
    assert set(entry.taken) == {"abc"}


def test_none_is_lost_when_many_queue(world):
    with ThreadPoolExecutor(4) as pool:
        list(pool.map(lambda n: outbox.queue(Ledger.open(world.settings, "tiny"), alert(f"key {n % 4}")), range(8)))
    world.ledger.fetch()
    assert len(outbox.waiting(world.ledger)) == 4


def test_texts_are_bounded_and_hold_no_control_characters(world):
    outbox.queue(world.ledger, alert(title="a\nb\t" + "x" * 900, body="one\r\ntwo\x0b" + "y" * 9000, link="h" * 9000))
    (entry,) = outbox.waiting(world.ledger)
    assert entry.alert.title.startswith("a b x")
    assert len(entry.alert.title) <= 200
    assert len(entry.alert.body) <= 2000
    assert entry.alert.body.startswith("one\ntwo\n")
    assert len(entry.alert.link) <= 1000


def test_an_entry_that_is_none_is_named(world):
    with pytest.raises(IntegrityError, match="is no alert"):
        outbox.Queued.from_json(b'{"alert": {}}')


def test_nothing_waits_in_a_ledger_without_decisions(world):
    assert outbox.waiting(world.ledger) == ()

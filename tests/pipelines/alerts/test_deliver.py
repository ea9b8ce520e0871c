"""Delivering: each alert once to each channel, and none lost while a channel is down."""

from __future__ import annotations

import pytest

from pipelines.alerts import channels
from pipelines.alerts.deliver import Delivered, deliver
from pipelines.ledger import Ledger, outbox
from pipelines.ledger.outbox import Alert


@pytest.fixture
def ledger(settings) -> Ledger:
    ledger = Ledger.open(settings, "tiny", create=True)
    for number in range(3):
        outbox.queue(ledger, Alert("missing", "warning", f"night {number}", "weather is missing", f"night {number}"))
    return ledger


def test_everything_goes_out_once_in_order(secret, inbox, ledger):
    found = channels.read(secret(inbox.url()), "alerts")
    assert deliver(ledger, found, lambda _: None) == Delivered(3, 0)
    assert deliver(ledger, found, lambda _: None) == Delivered(0, 0)
    assert [got["title"] for got in inbox.got] == ["night 0", "night 1", "night 2"]


def test_nothing_is_lost_while_the_channel_is_down(secret, inbox, ledger):
    found, said = channels.read(secret(inbox.url()), "alerts"), []
    inbox.status = 503
    assert deliver(ledger, found, said.append) == Delivered(0, 3)
    # It is asked once, not once an alert.
    assert said == ["line 1 (json) did not take: night 0; it stays queued"]
    inbox.status = 200
    assert deliver(ledger, found, said.append) == Delivered(3, 0)
    assert len(inbox.got) == 3


def test_a_channel_that_was_well_hears_nothing_twice(secret, inbox, ledger):
    found = channels.read(secret(f"{inbox.url('well')}\njson://127.0.0.1:9/down\n"), "alerts")
    assert deliver(ledger, found, lambda _: None) == Delivered(0, 3)
    assert deliver(ledger, found, lambda _: None) == Delivered(0, 3)
    assert len(inbox.got) == 3
    later = channels.read(secret(f"{inbox.url('well')}\n{inbox.url('again')}\n"), "alerts")
    assert deliver(ledger, later, lambda _: None) == Delivered(3, 0)
    assert [got["path"] for got in inbox.got[3:]] == ["/again"] * 3


def test_without_channels_they_wait(ledger):
    assert deliver(ledger, (), lambda _: None) == Delivered(0, 3)

"""Channels: read from a secret file alone, refused by line, their addresses shown to nobody."""

from __future__ import annotations

import logging

import pytest

from pipelines.alerts import channels
from pipelines.errors import ConfigError
from pipelines.ledger.outbox import Alert

ALERT = Alert("data_bug", "failure", "tiny: broken data", "distance is\nin km", "k", "http://airflow/run")


def test_one_url_a_line(secret, inbox):
    settings = secret(f"# of the team\n\n  {inbox.url('a')}  \n{inbox.url('b')}\n{inbox.url('a')}\n")
    found = channels.read(settings, "alerts")
    assert [(channel.line, channel.kind) for channel in found] == [(5, "json"), (4, "json")]
    assert len({channel.mark for channel in found}) == 2


def test_an_alert_arrives_with_its_severity_and_link(secret, inbox):
    (channel,) = channels.read(secret(inbox.url()), "alerts")
    assert channel.send(ALERT)
    (got,) = inbox.got
    assert (got["title"], got["type"]) == ("tiny: broken data", "failure")
    assert got["message"] == "distance is\nin km\n\nhttp://airflow/run"


@pytest.mark.parametrize("status", [401, 500, 302])
def test_a_refusal_is_none_taken(secret, inbox, status):
    (channel,) = channels.read(secret(inbox.url()), "alerts")
    inbox.status = status
    assert not channel.send(ALERT)


def test_a_channel_that_is_away_has_not_taken_it(secret):
    (channel,) = channels.read(secret("json://127.0.0.1:9/x"), "alerts")
    assert not channel.send(ALERT)


@pytest.mark.parametrize("line", ["nonsense", "canary://x", "/etc/passwd", "file:///etc/passwd", "json://"])
def test_what_is_no_url_is_named_by_its_line_alone(secret, line):
    with pytest.raises(ConfigError, match="line 2: is no URL") as caught:
        channels.read(secret(f"json://127.0.0.1/x\n{line}\n"), "alerts")
    assert line not in str(caught.value)


def test_no_secret_is_a_wrong_configuration(settings, secret):
    with pytest.raises(ConfigError, match="secret alerts: is not there"):
        channels.read(settings, "alerts")
    with pytest.raises(ConfigError, match="secret other: is not there"):
        channels.read(secret(""), "other")


def test_the_address_is_in_no_repr_and_no_log(secret, inbox, caplog):
    caplog.set_level(logging.DEBUG)
    (channel,) = channels.read(secret(inbox.url("token-canary")), "alerts")
    channel.send(ALERT)
    inbox.status = 500
    channel.send(ALERT)
    assert "canary" not in repr(channel)
    assert not [text for name, _, text in caplog.record_tuples if name == "apprise" and "canary" in text]

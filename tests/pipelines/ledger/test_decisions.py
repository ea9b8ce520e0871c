"""Decisions: kept once, newest first, none lost to a race."""

from __future__ import annotations

from concurrent.futures import ThreadPoolExecutor
from datetime import UTC, datetime

import pytest

from pipelines.errors import InputError
from pipelines.ledger import Ledger, decisions


def test_newest_first_and_by_kind(world):
    for day in (1, 3, 2):
        decisions.record(world.ledger, "retrain", {"n": day}, now=datetime(2026, 1, day, tzinfo=UTC))
    decisions.record(world.ledger, "refusal", {"why": "worse"}, now=datetime(2025, 1, 1, tzinfo=UTC))
    assert [item["n"] for item in decisions.find(world.ledger, "retrain")] == [3, 2, 1]
    assert len(decisions.find(world.ledger)) == 4
    assert len(decisions.find(world.ledger, limit=2)) == 2
    assert decisions.last_refusal(world.fresh())["why"] == "worse"


def test_none_yet(world):
    assert decisions.find(world.ledger) == []
    assert decisions.last_refusal(world.ledger) is None


def test_one_key_happens_once(world):
    first = decisions.record(world.ledger, "refusal", {"why": "worse"}, key="run 1")
    again = decisions.record(world.ledger, "refusal", {"why": "other"}, key="run 1")
    assert again == first
    assert len(decisions.find(world.ledger)) == 1


def test_none_is_lost_when_many_write(world):
    def write(number):
        decisions.record(Ledger.open(world.settings, "tiny"), "retrain", {"n": number})

    with ThreadPoolExecutor(6) as pool:
        list(pool.map(write, range(12)))
    world.ledger.fetch()
    assert sorted(item["n"] for item in decisions.find(world.ledger)) == list(range(12))


@pytest.mark.parametrize("kind", ["../x", "A", "", "a b"])
def test_a_kind_is_a_word(world, kind):
    with pytest.raises(InputError):
        decisions.record(world.ledger, kind, {})

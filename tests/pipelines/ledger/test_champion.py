"""The champion moves by compare-and-swap, forward in data time, backward on purpose alone."""

from __future__ import annotations

from concurrent.futures import ThreadPoolExecutor
from datetime import UTC, date, datetime

import pytest

from pipelines.errors import GateRefusal, IntegrityError, PushRefused
from pipelines.ledger import Ledger, champion
from pipelines.ledger.champion import Champion, ChampionWindow, Reason


def version(number, test_end=date(2024, 2, 4), kind="better"):
    return Champion(
        version=number,
        run=f"2024-02-05-20260101T000000Z-{number:06x}",
        model_sha256=f"{number:064x}",
        since=datetime(2026, 1, 1, tzinfo=UTC),
        reason=Reason(kind=kind, text="because"),
        window=ChampionWindow(
            as_of=test_end, train=(date(2024, 1, 1), date(2024, 1, 20)), test=(date(2024, 1, 21), test_end)
        ),
        metrics={"auc": 0.7},
    )


def test_first_next_and_history(world):
    assert champion.current(world.ledger) is None
    one = champion.promote(world.ledger, version(1, kind="first"), None)
    two = champion.promote(world.ledger, version(2), one)
    assert champion.promote(world.ledger, version(2), one) == two  # again: the same, whatever parent was seen
    standing = champion.current(world.fresh())
    assert (standing.version, standing.previous.version, standing.previous.run) == (2, 1, version(1).run)
    assert [item.version for item in champion.history(world.ledger)] == [2, 1]


def test_who_judged_on_another_champion_must_judge_again(world):
    champion.promote(world.ledger, version(1), None)
    with pytest.raises(PushRefused, match="version 1 became champion meanwhile"):
        champion.promote(world.ledger, version(2), None)
    assert champion.current(world.fresh()).version == 1


def test_of_many_at_once_one_wins(world):
    def promote(number):
        try:
            return champion.promote(Ledger.open(world.settings, "tiny"), version(number), None)
        except PushRefused:
            return None

    with ThreadPoolExecutor(8) as pool:
        won = [commit for commit in pool.map(promote, range(1, 9)) if commit]
    assert won == [world.fresh().head("champion")]


def test_older_data_never_replace_newer_but_by_rollback(world):
    head = champion.promote(world.ledger, version(1, date(2024, 2, 4)), None)
    with pytest.raises(GateRefusal, match="knows data up to 2024-01-30"):
        champion.promote(world.ledger, version(2, date(2024, 1, 30)), head)
    assert champion.current(world.fresh()).version == 1
    champion.promote(world.ledger, version(2, date(2024, 1, 30), "rollback"), head)
    assert champion.current(world.ledger).version == 2


def test_a_spoilt_record_is_named(world):
    world.ledger.commit("champion", {"champion.json": b'{"version": 0}'}, "Spoil", parent=None)
    with pytest.raises(IntegrityError, match=r"champion\.json cannot be read"):
        champion.current(world.ledger)

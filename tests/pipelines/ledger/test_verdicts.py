"""Decisions of nights: one a night and evidence, the newest revision counts, only the days asked for are read."""

from __future__ import annotations

from concurrent.futures import ThreadPoolExecutor
from datetime import date, timedelta

from pipelines.ledger import verdicts

DAY = date(2024, 2, 1)


def decision(sha="a" * 64, verdict="wait", day=DAY):
    return {"model": "tiny", "day": day.isoformat(), "verdict": verdict, "evidence_sha256": sha}


def test_the_same_evidence_is_decided_once(world):
    first = verdicts.record(world.ledger, DAY, decision(), {"n": 1})
    assert (first["kind"], first["key"], first["revision"]) == ("night", "night-2024-02-01", 1)
    head = world.ledger.head("decisions")
    assert verdicts.record(world.fresh(), DAY, decision(verdict="retrain"), {"n": 2}) == first
    assert world.fresh().head("decisions") == head
    assert verdicts.evidence_of(world.fresh(), first) == {"n": 1}


def test_other_evidence_is_the_next_revision(world):
    verdicts.record(world.ledger, DAY, decision(), {"n": 1})
    second = verdicts.record(world.ledger, DAY, decision("b" * 64, "retrain"), {"n": 2})
    assert second["revision"] == 2
    assert verdicts.newest(world.ledger, DAY, DAY) == {DAY: second}
    assert verdicts.evidence_of(world.ledger, second) == {"n": 2}
    assert set(world.ledger.tree(world.ledger.head("decisions"), "nights")) == {
        "nights/2024-02/2024-02-01.r1.json",
        "nights/2024-02/2024-02-01.r2.json",
    }


def test_of_many_that_decide_at_once_one_counts(world):
    with ThreadPoolExecutor(8) as pool:
        kept = list(pool.map(lambda _: verdicts.record(world.fresh(), DAY, decision(), {}), range(8)))
    assert all(item == kept[0] for item in kept)


def test_more_than_nine_revisions_are_counted_as_numbers(world):
    for number in range(11):
        verdicts.record(world.ledger, DAY, decision(f"{number:064x}"), {})
    assert verdicts.newest(world.ledger, DAY, DAY)[DAY]["revision"] == 11


def test_days_in_order_within_what_is_asked(world):
    days = [DAY + timedelta(days=number) for number in (40, 0, 3)]
    for day in days:
        verdicts.record(world.ledger, day, decision(day=day), {})
    assert list(verdicts.newest(world.ledger, DAY, DAY + timedelta(days=40))) == sorted(days)
    assert list(verdicts.newest(world.ledger, DAY + timedelta(days=1), DAY + timedelta(days=39))) == [days[2]]
    assert verdicts.last_day(world.ledger) == days[0]


def test_none_in_a_ledger_without_decisions(world):
    assert verdicts.newest(world.ledger, DAY, DAY) == {}
    assert verdicts.last_day(world.ledger) is None

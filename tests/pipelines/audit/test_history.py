"""Who was champion when, from the commits of the branch alone."""

from __future__ import annotations

import hashlib
from datetime import UTC, date, datetime, timedelta

import pytest

from pipelines.audit.history import at, history
from pipelines.audit.told import render
from pipelines.errors import ConfigError, IntegrityError
from pipelines.ledger import Ledger, champion, server
from pipelines.ledger.champion import Champion, ChampionWindow, Reason

NOON = datetime(2026, 3, 1, 12, tzinfo=UTC)
GATES = [
    {"name": "champion", "passed": True, "mode": "on", "sentence": "log loss .41 against .43"},
    {"name": "fairness:shop", "passed": False, "mode": "dry_run", "sentence": "north is asked more often"},
]


def record(number, since, kind="better", approver="gates"):
    return Champion(
        version=number,
        run=f"2024-02-05-20260101T000000Z-{number:06x}",
        model_sha256=f"{number:064x}",
        since=since,
        reason=Reason(kind=kind, text="late on Mondays"),
        approver=approver,
        evidence={"gates": GATES, "passed": True},
        window=ChampionWindow(
            as_of=date(2024, 2, 5),
            train=(date(2024, 1, 1), date(2024, 1, 20)),
            test=(date(2024, 1, 21), date(2024, 2, 4)),
        ),
        metrics={"auc": 0.7},
    )


@pytest.fixture
def ledger(settings):
    """Version 1 from noon, 2 an hour later, and 1 again by rollback another two hours later."""
    server.create(settings.home / "ledger" / "tiny.git", "tiny", settings.dvc_remote)
    made = Ledger.open(settings, "tiny")
    head = champion.promote(made, record(1, NOON, "first"), None)
    head = champion.promote(made, record(2, NOON + timedelta(hours=1), approver="ann"), head)
    champion.promote(made, record(1, NOON + timedelta(hours=3), "rollback", "ben"), head)
    return made


def test_each_reign_lasts_until_the_next_begins(ledger):
    reigns = history(ledger)
    assert [(reign.champion.version, reign.until) for reign in reigns] == [
        (1, NOON + timedelta(hours=1)),
        (2, NOON + timedelta(hours=3)),
        (1, None),
    ]
    assert [reign.commit for reign in reigns] == ledger.log("champion")[::-1]
    told = reigns[1].to_json()
    assert (told["by"], told["reason"]["kind"], told["signature"]) == ("ann", "better", "unsigned")
    assert (told["window"]["test"], told["window"]["sha256"]) == (["2024-01-21", "2024-02-04"], None)
    assert reigns[0].gates == GATES


@pytest.mark.parametrize(
    ("when", "versions"),
    [
        ("2026-02-28", []),
        ("2026-03-01", [1, 2, 1]),
        ("2026-03-02", [1]),
        ("2026-03-01T11:59:59", []),
        ("2026-03-01T12:00", [1]),
        ("2026-03-01T13:00:00Z", [2]),
        ("2026-03-01T15:30:00+02:00", [2]),
        ("2026-03-01T15:00", [1]),
    ],
)
def test_a_moment_has_one_champion_and_a_day_may_have_several(ledger, when, versions):
    now = NOON + timedelta(days=9)
    assert [reign.champion.version for reign in at(history(ledger), when, now)] == versions


@pytest.mark.parametrize("when", ["yesterday", "2026-13-01", "2026-03-01T99:00", "", "9999-12-31T23:59:59-12:00"])
def test_what_is_no_moment_is_refused(ledger, when):
    with pytest.raises(ConfigError, match="--at"):
        at(history(ledger), when)


def test_nobody_can_know_the_future(ledger):
    with pytest.raises(ConfigError, match="2026-03-11 has not come yet"):
        at(history(ledger), "2026-03-11", NOON + timedelta(days=9))


def test_a_clock_that_went_back_ends_no_reign_before_it_begins(settings, ledger):
    head = ledger.head("champion")
    champion.promote(ledger, record(2, NOON - timedelta(days=1), "rollback"), head)
    before = history(ledger)[-2]
    assert before.until == before.champion.since


def test_a_person_reads_the_newest_first_with_what_failed(ledger):
    text = render("tiny", history(ledger))
    assert text.index("2026-03-01 15:00:00 UTC to now") < text.index("version 2") < text.index("first, by gates")
    assert "rollback, by ben" in text
    assert "late on Mondays" in text
    assert "1 of 2 passed" in text
    assert "fairness:shop (dry_run): north is asked more often" in text


def test_without_a_champion_it_says_so(settings):
    server.create(settings.home / "ledger" / "tiny.git", "tiny", settings.dvc_remote)
    found = history(Ledger.open(settings, "tiny"))
    assert found == []
    assert render("tiny", found) == "tiny: no champion yet"
    assert render("tiny", found, "2026-03-01") == "tiny: no champion at 2026-03-01"


def test_a_spoilt_record_is_named(ledger):
    head = ledger.head("champion")
    ledger.commit("champion", {"champion.json": b"{}"}, "Spoil", parent=head)
    with pytest.raises(IntegrityError, match=r"champion\.json cannot be read"):
        history(ledger)


def test_the_window_is_the_one_of_the_run(scored):
    ledger = scored.ledger()
    (reign,) = history(ledger)
    content = ledger.read(reign.champion.tag, "window.json")
    assert reign.window_sha256 == hashlib.sha256(content).hexdigest()

"""What is still known of a champion when retention has ended its run: who, why, and on which data."""

from __future__ import annotations

import hashlib
import json
from datetime import UTC, date, datetime, timedelta

import pytest

from pipelines.audit.explain import explain
from pipelines.audit.history import history
from pipelines.audit.lineage import render
from pipelines.audit.told import render as told
from pipelines.errors import InputError, PassingFault
from pipelines.ledger import Ledger, champion
from pipelines.ledger.champion import Champion, ChampionWindow, Reason
from pipelines.ledger.refs import delete
from pipelines.registry import Registry

RUNS = [f"2024-02-0{number}-20260101T00000{number}Z-00000{number}" for number in (1, 2, 3)]
DATA, CODE = "d" * 40, "c" * 40
WINDOW, FEATURES = b'{"partitions": []}', b"def build(tables, as_of): ..."
FILES = {
    "window.json": WINDOW,
    "model/features.py": FEATURES,
    "run.json": b'{"request": {"data_commit": "%s"}}' % DATA.encode(),
    "code.json": b'{"git_sha": "%s"}' % CODE.encode(),
}


def record(number: int) -> Champion:
    day = date(2024, 2, number)
    return Champion(
        version=number,
        run=RUNS[number - 1],
        model_sha256=f"{number:064x}",
        since=datetime(2026, 3, number, tzinfo=UTC),
        reason=Reason(kind="better"),
        evidence={"gates": [{"name": "champion", "passed": True, "mode": "on", "sentence": "no worse"}]},
        window=ChampionWindow(as_of=day, train=(day - timedelta(days=9), day), test=(day, day)),
        metrics={"auc": 0.7},
    )


@pytest.fixture
def ledger(settings, monkeypatch) -> Ledger:
    """Three champions, one after another; retention has ended the run of the first, and MLflow is away."""

    def away(*_):
        raise PassingFault("MLflow does not answer")

    monkeypatch.setattr(Registry, "aliases", away)
    made = Ledger.open(settings, "tiny", create=True)
    for number, run in enumerate(RUNS, 1):
        commit = made.commit(f"run/{run}", FILES, "A run", parent=None, base=made.head("data"))
        made.tag(f"runs/{run}", commit)
        champion.promote(made, record(number), made.head("champion"))
    ends = f"retention/{RUNS[0]}.json"
    made.commit("decisions", {ends: b"{}"}, "End", parent=made.head("decisions"))
    delete(made, {f"refs/tags/runs/{RUNS[0]}": made.head(f"runs/{RUNS[0]}")})
    made.fetch()
    assert made.head(f"runs/{RUNS[0]}") is None
    return made


def test_the_record_keeps_what_it_was_made_of(ledger) -> None:
    first, *_ = history(ledger)
    sha = hashlib.sha256(WINDOW).hexdigest()
    assert first.window_sha256 == sha
    origin = first.champion.origin
    assert origin is not None
    assert (origin.window_sha256, origin.data_commit, origin.code_sha) == (sha, DATA, CODE)
    assert origin.features_sha256 == hashlib.sha256(FEATURES).hexdigest()
    text = told("tiny", [first])
    assert "gone" not in text
    assert f"data commit {DATA}" in text


def test_it_is_explained_by_its_record(settings, ledger) -> None:
    found = explain(settings, "tiny", 1)
    assert (found["ended"], found["commit"], found["broken"]) == (True, None, [])
    assert found["window"]["sha256"] == hashlib.sha256(WINDOW).hexdigest()
    assert (found["run"], found["model_sha256"], found["evaluation"]["metrics"]) == (RUNS[0], f"{1:064x}", {"auc": 0.7})
    text = render(found)
    for part in ("retention has ended its run", f"data commit {DATA}", f"code {CODE}", "1 of 1 passed", "no worse"):
        assert part in text


def test_going_back_to_it_loses_nothing_of_that(ledger) -> None:
    past = history(ledger)[0].champion
    again = past.model_copy(update={"reason": Reason(kind="rollback", text="because"), "since": datetime.now(UTC)})
    champion.promote(ledger, again, ledger.head("champion"))
    assert history(ledger)[-1].champion.origin == past.origin


def test_a_record_of_before_is_read_and_says_nothing(ledger) -> None:
    old = record(1).model_dump(mode="json")
    assert old.pop("origin") is None
    ledger.commit("champion", {"champion.json": json.dumps(old).encode()}, "Old", parent=ledger.head("champion"))
    assert history(ledger)[-1].window_sha256 is None
    assert "gone: its run is no longer in the ledger" in told("tiny", history(ledger)[-1:])


def test_a_version_that_never_was_champion_is_gone_with_its_run(settings, ledger, monkeypatch) -> None:
    monkeypatch.setattr(Registry, "aliases", lambda *_: {})
    monkeypatch.setattr(Registry, "tag_of", lambda *_: "runs/2024-01-01-20260101T000000Z-000009")
    with pytest.raises(InputError, match="no longer in the ledger"):
        explain(settings, "tiny", 9)

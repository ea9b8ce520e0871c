"""Runs and requests: who asked is answered once, by whichever run, and not forgotten by one that fails."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest
import stories
from stories import Story
from support import TinyModel

from pipelines.config.settings import Settings
from pipelines.errors import DataError, NothingToDo
from pipelines.ledger import Ledger, lease, requests, retrainings, runs
from pipelines.runs import claims

RUN, OTHER = "2024-02-05-20260101T000000Z-abcdef", "2024-02-06-20260102T000000Z-123456"


@pytest.fixture
def ledger(settings: Settings, tiny_model: TinyModel) -> Ledger:
    found = Ledger.open(settings, tiny_model.name, create=True)
    requests.ask(found, "vendor-1", "prices moved", "test")
    return found


def outcomes(ledger: Ledger) -> dict[str, Any]:
    ledger.fetch()
    first, last = stories.date(2024, 1, 1), stories.date(2024, 12, 31)
    return {item["run"]: item["outcome"] for item in retrainings.between(ledger, first, last)}


def test_an_event_with_nothing_behind_it_has_nothing_to_do(ledger) -> None:
    lease.acquire(ledger, RUN, 600)
    assert claims.claim(ledger, RUN, only_if_asked=True) == ("vendor-1",)
    assert claims.claim(ledger, RUN, only_if_asked=True) == ("vendor-1",)  # a retry has what it had
    claims.settle(ledger, RUN, "passed")
    with pytest.raises(NothingToDo, match="no request is open"):
        claims.claim(ledger, OTHER, only_if_asked=True)
    assert claims.claim(ledger, OTHER) == ()
    assert outcomes(ledger) == {RUN: "passed"}


def test_a_failure_opens_the_claim_and_is_counted(ledger) -> None:
    lease.acquire(ledger, RUN, 600)
    claims.claim(ledger, RUN)
    claims.give_up(ledger, RUN, DataError("too few rows", where="window"))
    assert [item.key for item in requests.open_requests(ledger)] == ["vendor-1"]
    assert outcomes(ledger) == {RUN: "failed"}
    claims.claim(ledger, RUN)
    claims.give_up(ledger, RUN, RuntimeError("secret"))
    (entry,) = retrainings.between(ledger, stories.date(2024, 2, 5), stories.date(2024, 2, 5))
    assert entry["why"] == "window: too few rows"


def test_what_is_done_already_is_an_answer(ledger) -> None:
    lease.acquire(ledger, RUN, 600)
    claims.claim(ledger, RUN)
    claims.give_up(ledger, RUN, NothingToDo("run x did exactly this"))
    found = requests.find(ledger, "vendor-1")
    assert (found.state, found.outcome) == ("done", "run x did exactly this")
    assert outcomes(ledger) == {}


def test_a_run_that_was_killed_is_swept_up(ledger) -> None:
    lease.acquire(ledger, RUN, 0.001)
    claims.claim(ledger, RUN)
    assert claims.sweep(ledger) == ("vendor-1",)
    assert claims.sweep(ledger) == ()
    assert outcomes(ledger) == {RUN: "failed"}
    lease.acquire(ledger, RUN, 600)
    assert claims.claim(ledger, RUN) == ("vendor-1",)  # taken up again, it may still pass
    claims.settle(ledger, RUN, "passed")
    assert outcomes(ledger) == {RUN: "passed"}


@pytest.mark.slow
def test_a_whole_retraining_answers_who_asked(story: Story) -> None:
    ledger = Ledger.open(story.settings, "tiny")
    first = outcomes(ledger)
    assert set(first) == {report["run"] for report in story.reports}
    assert first[story.reports[0]["run"]] == "promoted"
    asked = ("request", "tiny", "--reason", "prices moved", "--key", "vendor-1", "--json")
    stories.evergreen(story.settings, *asked)
    again = stories.last_json(stories.evergreen(story.settings, *asked))
    assert (again["state"], again["key"]) == ("open", "vendor-1")
    # The same question as before: it is answered without another run.
    as_of = ("--as-of", str(story.tiny.day(38)))
    done = stories.last_json(stories.evergreen(story.settings, "run", "tiny", *as_of, "--json"))
    assert done["outcome"].startswith("nothing to do")
    ledger.fetch()
    found = requests.find(ledger, "vendor-1")
    assert (found.state, found.run) == ("done", story.reports[1]["run"])
    assert len(runs.finished(ledger)) == 2
    assert retrainings.train_seconds(ledger, story.reports[0]["run"]) > 0


@pytest.mark.slow
def test_the_stages_claim_settle_and_reopen(story: Story, tmp_path: Path) -> None:
    ledger = Ledger.open(story.settings, "tiny")
    day = story.tiny.day(39)
    run, late = stories.run_id(day, "asked"), stories.run_id(day, "late")
    params = {"as_of": str(day), "only_if_asked": True}
    nobody = stories.stage(story.settings, "snapshot", run, params)
    assert nobody.returncode == 99, nobody.stderr
    assert runs.find(ledger, run) is None
    requests.ask(ledger, "vendor-1", "prices moved", "test")
    bad = stories.stage(story.settings, "snapshot", run, {**params, "train_days": 1})
    assert bad.returncode == 3
    ledger.fetch()
    assert [(item.key, item.failed) for item in requests.open_requests(ledger)] == [("vendor-1", 1)]
    for name in ("snapshot", "validate", "features", "train", "evaluate", "register"):
        done = stories.stage(story.settings, name, run, params if name == "snapshot" else None)
        assert done.returncode in (0, 4), done.stderr
        ledger.fetch()
        state = requests.find(ledger, "vendor-1").state
        assert state == ("done" if name == "register" else "claimed")
    assert outcomes(ledger)[run] in ("passed", "refused")
    doubled = stories.stage(story.settings, "snapshot", late, params)
    assert doubled.returncode == 99
    ledger.fetch()
    assert runs.find(ledger, late) is None

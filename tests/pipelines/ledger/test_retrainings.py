"""What retrainings came to: one entry a run, which only gets better, and the seconds its training took."""

from __future__ import annotations

from datetime import date

from pipelines.ledger import retrainings

RUN, OTHER = "2024-02-05-20260101T000000Z-abcdef", "2024-03-06-20260102T000000Z-123456"


def outcomes(world, first=date(2024, 1, 1), last=date(2024, 12, 31)):
    return {item["run"]: item["outcome"] for item in retrainings.between(world.fresh(), first, last)}


def test_an_outcome_is_kept_once(world):
    retrainings.note(world.ledger, RUN, "passed")
    head = world.ledger.head("decisions")
    retrainings.note(world.fresh(), RUN, "passed")
    assert world.fresh().head("decisions") == head
    assert outcomes(world) == {RUN: "passed"}


def test_a_run_that_failed_may_still_pass_and_a_champion_stays_one(world):
    for outcome, expected in (
        ("failed", "failed"),
        ("passed", "passed"),
        ("failed", "passed"),
        ("refused", "refused"),
        ("promoted", "promoted"),
        ("passed", "promoted"),
        ("failed", "promoted"),
    ):
        retrainings.note(world.ledger, RUN, outcome)
        assert outcomes(world) == {RUN: expected}


def test_only_the_days_that_are_asked_for(world):
    retrainings.note(world.ledger, OTHER, "refused", "worse")
    retrainings.note(world.ledger, RUN, "passed")
    assert list(outcomes(world)) == [RUN, OTHER]
    assert list(outcomes(world, date(2024, 2, 6))) == [OTHER]
    assert list(outcomes(world, last=date(2024, 3, 5))) == [RUN]
    assert retrainings.between(world.fresh(), date(2024, 3, 6), date(2024, 3, 6))[0]["why"] == "worse"


def test_the_seconds_are_in_the_commit_of_the_train_stage(world):
    assert retrainings.train_seconds(world.ledger, RUN) == 0
    world.publish(*world.days(3))
    run = world.open_run(RUN)
    assert retrainings.train_seconds(world.ledger, RUN) == 0
    text = f'train of tiny, run {RUN}\n\n{{"rounds": 60, "seconds": 12.25}}\n\nStage: train\nRun: {RUN}\n'
    world.ledger.commit(run.branch, {"dvc.lock": b"a"}, text, parent=run.head)
    assert retrainings.train_seconds(world.ledger, RUN) == 12.25
    head = world.ledger.head(run.branch)
    text = f"evaluate of tiny, run {RUN}\n\n{{}}\n\nStage: evaluate\n"
    world.ledger.commit(run.branch, {"dvc.lock": b"b"}, text, parent=head)
    retrainings.note(world.ledger, RUN, "passed")
    assert retrainings.between(world.ledger, date(2024, 2, 5), date(2024, 2, 5))[0]["seconds"] == 12.25


def test_none_in_a_ledger_without_decisions(world):
    assert retrainings.between(world.ledger, date(2024, 1, 1), date(2024, 12, 31)) == []

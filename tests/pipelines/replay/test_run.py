"""A policy's course over the past."""

from __future__ import annotations

from datetime import timedelta
from itertools import pairwise

import pytest
from stories import AS_OF

from pipelines.config.policy import Policy
from pipelines.replay import pool
from pipelines.replay.compare import Asked, run, scheduled
from pipelines.replay.plans import Plan, plans
from pipelines.replay.run import replay
from pipelines.replay.world import nights

LAST = 36


@pytest.fixture(scope="session")
def world(past):
    """The past, with the retrainings of these nights made."""
    days = nights(past.day(AS_OF), past.day(LAST - 1))
    due = sum(not past.world.path(day).is_file() for day in days)  # other tests may have made some
    assert pool.make(past.world, days, 2, lambda *_: None) == due
    assert pool.make(past.world, days, 2, lambda *_: None) == 0
    return past.world


def course(world, past, plan: Plan, **more):
    return replay(world, plan, past.day(AS_OF), past.day(LAST), **more)


def test_never(world, past) -> None:
    found = course(world, past, Plan("never"))
    assert {step.champion for step in found.steps} == {past.day(AS_OF)}
    assert found.retrainings == ()
    assert [step.day for step in found.steps] == nights(past.day(AS_OF + 1), past.day(LAST))


def test_a_challenger_scores_from_the_day_after(world, past) -> None:
    found = course(world, past, plans(world.model, ["nightly"])[0], gated=False)
    assert all(step.champion == step.day - timedelta(days=1) for step in found.steps)
    assert len(found.retrainings) == LAST - AS_OF - 1  # none on the last night
    assert found.seconds > 0


def test_the_last_night_trains_nothing(world, past) -> None:
    found = course(world, past, Plan("own", Policy.model_validate({"age": {"days": 1}, "cooldown_days": 0})))
    assert found.steps[-1].verdict == "wait"
    assert [item.day for item in found.retrainings] == nights(past.day(AS_OF + 1), past.day(LAST - 1))


def test_cooldown_counts_what_was_refused(world, past) -> None:
    policy = Policy.model_validate({"age": {"days": 1}, "cooldown_days": 2})
    found = course(world, past, Plan("own", policy))
    days = [item.day for item in found.retrainings]
    assert [step.verdict for step in found.steps][:3] == ["retrain", "cooldown", "retrain"]
    assert all((b - a).days == 2 for a, b in pairwise(days))


def test_the_same_course_again(world, past) -> None:
    plan = Plan("own", Policy.model_validate({"age": {"days": 2}}))
    assert course(world, past, plan) == course(world, past, plan)


def test_estimates_are_evidence_where_a_policy_asks_for_them(world, past) -> None:
    policy = Policy.model_validate({"estimated_performance": {"worse_by": -1.0, "days": 1, "of": 1}})
    found = course(world, past, Plan("own", policy))
    assert found.steps[0].verdict == "retrain"


def test_gain_is_a_share_of_nightlys(world, past) -> None:
    asked = Asked(past.day(AS_OF), past.day(LAST), starts=2, gated=False)
    found = run(world, asked, plans(world.model, ["never", "nightly", "every:3", "own"]))
    rows = {row.name: row for row in found.rows}
    if rows["never"].regret > 0:
        assert rows["never"].gain == pytest.approx(0)
        assert rows["nightly"].gain == pytest.approx(1)
    assert rows["nightly"].regret == 0
    assert rows["nightly"].retrainings == LAST - AS_OF - 1.5
    assert rows["every:3"].same is None
    assert len(found.courses) == 4
    assert found.to_json()["policies"][0]["name"] == "never"


def test_a_schedule_with_as_many(world, past) -> None:
    asked = Asked(past.day(AS_OF), past.day(LAST), gated=False)
    never = course(world, past, Plan("never"), gated=False)
    assert scheduled(world, asked, past.day(AS_OF), 0) == never.loss
    nightly = course(world, past, plans(world.model, ["nightly"])[0], gated=False)
    assert scheduled(world, asked, past.day(AS_OF), LAST - AS_OF - 1) == pytest.approx(nightly.loss)


def test_what_is_kept_is_not_made_again(world, past) -> None:
    assert pool.make(world, nights(past.day(AS_OF), past.day(LAST - 1)), 2, lambda *_: None) == 0

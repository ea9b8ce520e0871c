"""Schedules, and what may be named on the command line."""

from __future__ import annotations

from datetime import date, timedelta

import pytest
from hypothesis import example, given
from hypothesis import strategies as st

from pipelines.config.policy import Policy
from pipelines.errors import ConfigError
from pipelines.replay.plans import Plan, every, plans

FIRST = date(2013, 3, 1)


def named(tiny_model, *names: str) -> list[Plan]:
    return plans(tiny_model, names)


@pytest.fixture(scope="module")
def model(past):
    return past.world.model


@pytest.mark.parametrize(
    ("name", "nights"), [("never", 0), ("nightly", 304), ("weekly", 44), ("every:10", 31), ("monthly", 9)]
)
def test_schedules(model, name, nights) -> None:
    calendar = plans(model, [name])[0].calendar(FIRST, date(2013, 12, 31))
    assert len(calendar) == nights
    assert FIRST not in calendar
    assert date(2013, 12, 31) not in calendar


@given(st.integers(2, 300), st.integers(1, 300), st.floats(0, 0.999))
@example(days=5, count=4, phase=0.5)
@example(days=5, count=4, phase=0.4999999999999999)
@example(days=300, count=40, phase=0.999)
def test_a_schedule_of_so_many_retrainings_has_so_many(days, count, phase) -> None:
    count = min(count, days - 1)
    step = (days - 1) / count
    found = every(step).calendar(FIRST, FIRST + timedelta(days=days), phase * step)
    assert len(found) == count


def test_the_models_own(model) -> None:
    assert plans(model, ["own"])[0].policy == model.policy
    assert [plan.name for plan in plans(model, ["own", "never", "own"])] == ["own", "never"]


@pytest.mark.parametrize("text", ["age: {days: 3}\n", "policy:\n  age: {days: 3}\n"])
def test_a_policy_in_a_file(model, tmp_path, text) -> None:
    (tmp_path / "young.yaml").write_text(text)
    (plan,) = plans(model, [str(tmp_path / "young.yaml")])
    assert (plan.name, plan.policy) == ("young", Policy.model_validate({"age": {"days": 3}}))


def test_a_file_that_holds_no_policy(model, tmp_path) -> None:
    (tmp_path / "bad.yaml").write_text("age: {days: 0}\n")
    with pytest.raises(ConfigError, match=r"bad.yaml line 1: age.days: 0"):
        plans(model, [str(tmp_path / "bad.yaml")])


@pytest.mark.parametrize("name", ["sometimes", "every:0", "every:-1", "every:x"])
def test_neither_a_file_nor_a_name(model, name) -> None:
    with pytest.raises(ConfigError, match="neither a file nor one of never"):
        plans(model, [name])

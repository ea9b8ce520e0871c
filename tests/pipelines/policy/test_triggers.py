"""Each trigger: what makes it fire, what does not, and what it says."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from pipelines.config.policy import DriftRule, PerformanceRule
from pipelines.policy.answer import Answer
from pipelines.policy.evidence import DriftFacts, EstimateFacts, Evidence, Separability
from pipelines.policy.history import History
from pipelines.policy.triggers import JUDGES, drift, performance

from .conftest import DAY, Judge, ago, matured, nights, retrained


def one(judge: Judge, policy: dict[str, Any], history: History | None = None, **facts: Any) -> Answer:
    (answer,) = judge(policy, history, **facts).answers
    assert answer.name in policy
    assert len(answer.sentence) < 400
    return answer


@pytest.mark.parametrize(
    ("earlier", "now", "fires"),
    [
        ((0.3, 0.3), 0.3, True),
        ((0.3, 0.0, 0.3, 0.0), 0.3, True),
        ((0.3, 0.3, 0.3, 0.3), 0.05, False),  # the latest is not over it
        ((0.0, 0.0, 0.0, 0.3), 0.3, False),  # two nights of five
        ((0.3, 0.3, 0.0, 0.0, 0.0), 0.3, False),  # over it too long ago
        ((), 0.9, False),
    ],
)
def test_drift_fires_on_n_of_m_nights_and_the_latest(judge, earlier, now, fires) -> None:
    answer = one(judge, {"drift": {}}, nights("drift", *earlier), drift=DriftFacts(now))
    assert answer.fired is fires
    assert answer.threshold == 0.1


def test_drift_from_another_champion_does_not_count(judge) -> None:
    before = nights("drift", 0.3, 0.3, 0.3, 0.3, champion=2)
    assert not one(judge, {"drift": {}}, before, drift=DriftFacts(0.3)).fired


@pytest.mark.parametrize(
    ("what", "facts"),
    [
        ("prediction", DriftFacts(0.0, prediction=0.2)),
        ("label", DriftFacts(0.0, label=0.2)),
        ("separability", DriftFacts(0.0, separability=Separability(0.7, 0.65, 0.75, 5000))),
    ],
)
def test_drift_of_what_the_rule_names(judge, what, facts) -> None:
    rule = {"drift": {"what": what, "days": 1, "of": 1}}
    assert one(judge, rule, drift=facts).fired
    assert not one(judge, rule, drift=DriftFacts(0.9)).fired


def test_nothing_measured_is_no_drift(judge) -> None:
    answer = one(judge, {"drift": {}}, drift=None)
    assert (answer.fired, answer.score, answer.sentence) == (False, None, "the drift of features is not measured")


def test_a_learnt_threshold_waits_for_its_warm_up(judge) -> None:
    rule = {"drift": {"threshold": {"quantile": 0.9, "warm_up": 10}, "days": 1, "of": 1}}
    answer = one(judge, rule, nights("drift", *[0.01] * 9), drift=DriftFacts(0.9))
    assert (answer.fired, answer.threshold) == (False, None)
    assert "9 are there" in answer.sentence
    seen = nights("drift", *(number / 10 for number in range(11)))
    assert one(judge, rule, seen, drift=DriftFacts(0.91)).fired
    assert not one(judge, rule, seen, drift=DriftFacts(0.89)).fired
    assert one(judge, rule, seen, drift=DriftFacts(0.91)).threshold == pytest.approx(0.9)


@pytest.mark.parametrize(
    ("losses", "fires"),
    [
        ([0.45] * 7, False),
        ([0.48] * 7, True),
        ([0.45] * 6 + [0.55], False),  # one bad day is 0.014 over a week
        ([0.9] * 7 + [0.45] * 7, False),  # the week before last
        ([0.6, 0.6], False),  # two days are too few
    ],
)
def test_performance_looks_at_the_newest_days(judge, losses, fires) -> None:
    assert one(judge, {"performance": {}}, performance=matured(*losses)).fired is fires


def test_performance_needs_rows(judge) -> None:
    answer = one(judge, {"performance": {}}, performance=matured(*[0.9] * 7, rows=20))
    assert (answer.fired, answer.score) == (False, None)


def test_performance_weighs_days_by_rows(judge) -> None:
    many, few = matured(*[0.45] * 6), matured(3.0, rows=9)
    assert not one(judge, {"performance": {}}, performance=many[:-1] + few).fired


@pytest.mark.parametrize(("than", "score"), [("test", 0.05), ("expected", 0.1), ("baseline", 0.0)])
def test_performance_is_held_against_what_the_rule_says(judge, than, score) -> None:
    facts = matured(*[0.5] * 7, expected=0.4)
    answer = one(judge, {"performance": {"than": than}}, performance=facts)
    assert answer.score == pytest.approx(score)


def test_performance_by_a_metric_of_which_more_is_better(judge) -> None:
    facts = tuple(replace(item, metrics={"auc": 0.6}) for item in matured(*[0.45] * 7))
    answer = one(judge, {"performance": {"metric": "auc"}}, performance=facts)
    assert answer.fired
    assert answer.score == pytest.approx(0.1)


def test_performance_of_a_regression_is_its_rmse(judge) -> None:
    answer = one(judge, {"performance": {}}, performance=matured(*[9.0] * 7), reference={"rmse": 2.0, "mae": 1.0})
    assert answer.score == pytest.approx(1.0)


def test_small_losses_add_up(judge) -> None:
    rule = {"performance": {"add_up": True, "allowance": 0.01, "worse_by": 0.1}}
    assert not one(judge, rule, performance=matured(*[0.465] * 10)).fired
    answer = one(judge, rule, performance=matured(*[0.465] * 25))
    assert answer.fired
    assert answer.score == pytest.approx(0.125)
    assert one(judge, rule, performance=matured(0.45, 0.45, 0.45, 0.6)).fired
    # Good days do not pile up credit, they only use up what is there.
    assert one(judge, rule, performance=matured(*[0.2] * 20, 0.6)).score == pytest.approx(0.14)
    assert one(judge, rule, performance=matured(0.5, 0.5, 0.2)).score == 0


def test_a_learnt_loss(judge) -> None:
    rule = {"performance": {"worse_by": {"quantile": 0.5, "warm_up": 2}}}
    assert not one(judge, rule, nights("performance", 0.0)).fired
    facts = matured(*[0.48] * 7)
    assert one(judge, rule, nights("performance", 0.01, 0.02, 0.03), performance=facts).fired
    assert not one(judge, rule, nights("performance", 0.03, 0.04, 0.05), performance=facts).fired


def test_the_estimate_fires_before_labels_come(judge) -> None:
    rule = {"estimated_performance": {"days": 2, "of": 3}}
    bad = (EstimateFacts(DAY, "log_loss", 0.5, 0.4, 0.6, 900),)
    assert not one(judge, rule, estimated=bad).fired
    assert one(judge, rule, nights("estimated_performance", 0.05), estimated=bad).fired
    assert not one(judge, rule, nights("estimated_performance", 0.05)).fired
    assert one(judge, rule, estimated=()).sentence == "log_loss is not estimated"


@pytest.mark.parametrize(("age", "fires"), [(29, False), (30, True), (300, True), (None, False)])
def test_age(judge, age, fires) -> None:
    assert one(judge, {"age": {}}, age_days=age).fired is fires


@pytest.mark.parametrize(("rows", "fires"), [(9_999, False), (10_000, True)])
def test_new_rows(judge, rows, fires) -> None:
    assert one(judge, {"new_rows": {"rows": 10_000}}, new_rows=rows).fired is fires


def test_the_schedule_counts_from_the_last_retraining(judge) -> None:
    rule = {"schedule": {"every_days": 7}}
    assert one(judge, rule).score == 15
    assert not one(judge, rule, retrained("refused", last=6)).fired
    assert one(judge, rule, retrained("refused", last=7)).fired
    asked = nights("schedule", 7.0, verdict="retrain")
    assert not one(judge, rule, asked).fired
    assert one(judge, rule, champion=None).score is None


def test_a_request_fires_while_it_is_open(judge) -> None:
    assert not one(judge, {"request": {}}).fired
    answer = one(judge, {"request": {}}, requests=("vendor-42",))
    assert answer.fired
    assert "vendor-42" in answer.sentence


def test_days_to_come_do_not_count(judge) -> None:
    later = retrained("promoted", last=-3)
    assert one(judge, {"schedule": {"every_days": 7}}, later).fired
    assert later.last_retraining == ago(-3)
    assert later.at(DAY).last_retraining is None


def test_every_trigger_that_the_config_knows_has_a_judge() -> None:
    from pipelines.config.policy import TRIGGERS

    assert tuple(JUDGES) == TRIGGERS


@given(st.lists(st.floats(0, 1), max_size=12), st.floats(0, 1))
def test_more_drift_never_fires_less(earlier: list[float], now: float) -> None:
    def fired(score: float, before: list[float]) -> bool:
        evidence = Evidence("m", DAY, drift=DriftFacts(score))
        history = nights("drift", *before)
        history = replace(history, nights=tuple(replace(night, champion=None) for night in history.nights))
        return drift.judge(evidence, history, DriftRule()).fired

    if fired(now, earlier):
        assert fired(1.0, [max(score, 0.5) for score in earlier])


@given(st.lists(st.floats(0.1, 2), min_size=3, max_size=20), st.floats(0, 1))
def test_a_worse_champion_never_fires_less(losses: list[float], more: float) -> None:
    def fired(found: list[float], add_up: bool) -> bool:
        evidence = Evidence("m", DAY, performance=matured(*found), reference={"log_loss": 0.5})
        return performance.judge(evidence, History(), PerformanceRule(add_up=add_up)).fired

    for add_up in (False, True):
        if fired(losses, add_up):
            assert fired([loss + more for loss in losses], add_up)

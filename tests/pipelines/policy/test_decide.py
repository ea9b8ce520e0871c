"""Guards, verdicts, and the decision as a record."""

from __future__ import annotations

from dataclasses import replace
from datetime import timedelta
from typing import Any

import pytest
from pydantic import ValidationError

from pipelines.config.policy import TRIGGERS, USUAL, Policy
from pipelines.errors import IntegrityError
from pipelines.policy.decide import Decision, decide, sha256_of
from pipelines.policy.evidence import Arrivals, BugFact, DriftFacts, Evidence
from pipelines.policy.history import History, Night, Retraining

from .conftest import DAY, ago, matured, nights, retrained

OLD = {"age": {"days": 10}}  # fires on the calm night
BUG = BugFact("scale", "flights", "distance", "flights.distance is 1.6 times what it was", 1.61, 1.0, 9.0)


def test_a_calm_night_waits(judge) -> None:
    assert judge({}, age_days=5).verdict == "wait"
    decision = judge({"performance": {}, "age": {}})
    assert (decision.verdict, decision.fired) == ("wait", ())
    assert decision.sentence.startswith("No trigger fired. Performance: log_loss 0.45 over 7 days")


def test_a_trigger_retrains(judge) -> None:
    decision = judge(OLD)
    assert (decision.verdict, decision.fired) == ("retrain", ("age",))
    assert decision.sentence == "Age fired: champion 15 days old, limit 10."
    assert decision.thresholds == {"age": 10.0}
    assert decision.night == Night(DAY, "retrain", 3, {"age": 15.0})


def test_broken_data_are_told_whether_or_not_a_trigger_fired(judge) -> None:
    for policy in ({}, OLD):
        decision = judge(policy, bugs=(BUG, BUG))
        assert decision.verdict == "data_bug"
        assert "1.6 times what it was (and 1 more)" in decision.sentence


def test_broken_data_that_the_model_says_to_ignore(judge) -> None:
    assert judge(OLD | {"data_bug": {"ignore": ["scale"]}}, bugs=(BUG,)).verdict == "retrain"
    assert judge(OLD | {"data_bug": {"on": False}}, bugs=(BUG,)).verdict == "retrain"
    assert judge(OLD | {"data_bug": {"ignore": ["nulls"]}}, bugs=(BUG,)).verdict == "data_bug"


@pytest.mark.parametrize(("days", "verdict"), [(0, "cooldown"), (2, "cooldown"), (3, "retrain")])
def test_cooldown(judge, days, verdict) -> None:
    assert judge(OLD, retrained("refused", last=days)).verdict == verdict


def test_a_night_that_asked_cools_down_before_its_run_is_known(judge) -> None:
    assert judge(OLD, nights("age", 10.0, verdict="retrain")).verdict == "cooldown"
    assert judge(OLD | {"cooldown_days": 0}, nights("age", 10.0, verdict="retrain")).verdict == "retrain"


@pytest.mark.parametrize(
    ("new", "needed", "verdict"), [(4999, 5000, "cooldown"), (5000, 5000, "retrain"), (0, 0, "retrain")]
)
def test_what_no_gate_could_judge_is_not_trained(judge, new, needed, verdict) -> None:
    for facts in ({}, {"requests": ("vendor-1",)}):
        decision = judge(OLD | {"request": {}}, new_rows=new, needed_rows=needed, **facts)
        assert decision.verdict == verdict
    if verdict == "cooldown":
        assert "4,999 rows are newer than the champion, its gate asks for 5,000" in decision.sentence


@pytest.mark.parametrize(("allowed", "verdict"), [(59, "over_budget"), (60, "retrain")])
def test_the_budget_counts_the_next_retraining(judge, allowed, verdict) -> None:
    policy = OLD | {"budget": {"seconds_a_month": allowed}}
    assert judge(policy, retrained("promoted", "promoted", last=5, seconds=20)).verdict == verdict


def test_the_budget_is_the_months(judge) -> None:
    policy = OLD | {"budget": {"seconds_a_month": 30}}
    assert judge(policy, retrained("promoted", last=25)).verdict == "retrain"  # in May
    assert judge(policy, retrained("promoted", last=19)).verdict == "over_budget"  # 1 June
    assert judge({**policy, "budget": {"seconds_a_month": 0}}).verdict == "over_budget"  # as long as the champion took


@pytest.mark.parametrize(
    ("outcomes", "last", "verdict"),
    [
        (("failed", "refused", "failed"), 4, "broken"),
        (("failed", "refused", "failed"), 6, "broken"),
        (("failed", "refused", "failed"), 7, "retrain"),  # one may try
        (("failed", "failed"), 4, "retrain"),
        (("failed", "failed", "promoted", "failed"), 4, "retrain"),
        (("failed", "failed", "passed", "failed"), 4, "retrain"),
    ],
)
def test_the_breaker(judge, outcomes, last, verdict) -> None:
    assert judge(OLD, retrained(*outcomes, last=last)).verdict == verdict


def test_quiet_days(judge) -> None:
    quiet = {"from": ago(3), "to": DAY}
    decision = judge(OLD | {"quiet": [quiet]})
    assert decision.verdict == "wait"
    assert "nothing is retrained from 2013-06-17 to 2013-06-20" in decision.sentence
    assert judge(OLD | {"quiet": [{"from": ago(9), "to": ago(1)}]}).verdict == "retrain"


def test_a_past_night_only_records(judge) -> None:
    decision = judge(OLD, backfill=True)
    assert (decision.verdict, decision.fired) == ("wait", ("age",))
    assert "a past night only records" in decision.sentence


def test_the_first_guard_that_holds_gives_the_verdict(judge) -> None:
    history = retrained("failed", "failed", "failed", last=1)
    policy = OLD | {"budget": {"seconds_a_month": 0}}
    assert judge(policy, history).verdict == "broken"
    assert [guard.name for guard in judge(policy, history).guards if guard.holds] == ["breaker", "budget", "cooldown"]


def test_no_champion_yet(judge) -> None:
    empty: dict[str, Any] = {"champion": None, "age_days": None, "drift": None, "performance": (), "reference": {}}
    decision = judge({}, **empty)
    assert decision.verdict == "wait"
    assert "There is no champion yet" in decision.sentence
    assert judge({}, **empty, requests=("first",)).verdict == "retrain"
    assert judge({"new_rows": {"rows": 100}}, **empty).verdict == "retrain"


@pytest.mark.parametrize(
    ("combine", "verdict"),
    [("any", "retrain"), ("all", "wait"), ({"at_least": 1}, "retrain"), ({"at_least": 2}, "wait")],
)
def test_triggers_are_combined(judge, combine, verdict) -> None:
    policy = OLD | {"combine": combine, "drift": {}}
    decision = judge(policy)
    assert decision.verdict == verdict
    both = nights("drift", 0.3, 0.3)
    assert judge(policy, both, drift=DriftFacts(0.3)).verdict == "retrain"
    if verdict == "wait":
        assert decision.sentence == "age fired, 2 triggers are needed."


def test_what_was_corrected_is_named(judge) -> None:
    arrivals = Arrivals(corrected=("flights 2013-06-11 revision 2",))
    assert judge({}, arrivals=arrivals).sentence.endswith("Corrected since: flights 2013-06-11 revision 2.")


def test_the_same_night_is_decided_alike(judge, calm) -> None:
    first, again = judge(OLD), judge(OLD)
    assert first == again
    assert first.evidence_sha256 == sha256_of(calm) == sha256_of(Evidence.from_json(calm.to_json()))
    assert judge(OLD, new_rows=1).evidence_sha256 != first.evidence_sha256


def test_nothing_after_the_night_changes_it(judge) -> None:
    later = History((Night(ago(-1), "retrain", 3, {"age": 99.0}),), (Retraining(ago(-2), "run", 1e6, "failed"),))
    policy = OLD | {"budget": {"seconds_a_month": 100}, "drift": {"threshold": {"quantile": 0.5, "warm_up": 2}}}
    assert judge(policy, later) == judge(policy)


def test_a_decision_survives_its_file(judge) -> None:
    decision = judge({"drift": {}, "age": {}, "performance": {"add_up": True}}, bugs=(BUG,))
    assert Decision.from_json(decision.to_json()) == decision


@pytest.mark.parametrize("value", [None, [], {"model": "m"}, {"model": "m", "day": "2013-13-01"}])
def test_what_is_no_evidence_is_refused(value) -> None:
    with pytest.raises(IntegrityError, match="a record of Evidence"):
        Evidence.from_json(value)


def test_a_number_that_is_none_never_gets_into_the_ledger(calm) -> None:
    spoilt = replace(calm, performance=matured(float("nan"), 0.4, 0.4)).to_json()
    with pytest.raises(IntegrityError, match="finite"):
        Evidence.from_json(spoilt)


@pytest.mark.parametrize(
    ("policy", "words"),
    [
        ({"combine": {"at_least": 2}, "age": {}}, "it takes 2 triggers"),
        ({"drift": {"days": 4, "of": 3}}, "4 of 3 nights"),
        ({"performance": {"metric": "auc", "than": "expected"}}, "main loss"),
        ({"performance": {"min_days": 9}}, "min_days"),
        ({"quiet": [{"from": "2013-02-01", "to": "2013-01-01"}]}, "before from"),
        ({"drift": {"threshold": {"quantile": 1.0}}}, "less than 1"),
        ({"alarm": {}}, "Extra inputs"),
    ],
)
def test_an_impossible_policy_is_refused(policy, words) -> None:
    with pytest.raises(ValidationError, match=words):
        Policy.model_validate(policy)


def test_a_policy_that_names_triggers_has_no_others() -> None:
    usual = [name for name in TRIGGERS if name in USUAL]
    assert list(Policy().rules) == usual
    assert list(Policy.model_validate({"drift": {}}).rules) == ["drift"]
    assert list(Policy.model_validate({"cooldown_days": 1}).rules) == usual
    full = Policy.model_validate({"quiet": [{"from": DAY, "to": DAY + timedelta(1)}], "combine": {"at_least": 2}})
    assert Policy.model_validate(full.model_dump()) == full


def test_deciding_takes_no_time(calm) -> None:
    import time

    history = nights("performance", *[0.01] * 400)
    started = time.perf_counter()
    for _ in range(100):
        decide(Policy(), calm, history)
    assert (time.perf_counter() - started) / 100 < 0.02

"""Days out of the ordinary: how they are told, how long a retraining waits for them, and shares instead of amounts."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st
from pydantic import ValidationError

from pipelines.config.policy import Policy, Unsettled
from pipelines.policy.evidence import ColumnFact, DriftFacts
from pipelines.policy.settled import nights_unsettled

from .conftest import matured

CALM, STORM = 0.45, 0.7
UNSEEN = {"what": "unseen", "threshold": 0.1, "days": 1, "of": 1}
OLD = {"age": {"days": 10}, "unsettled": {}}  # fires on the calm night


@pytest.mark.parametrize(
    ("losses", "nights"),
    [
        ([], 0),
        ([CALM] * 20, 0),
        ([CALM] * 20 + [STORM], 1),
        ([CALM] * 20 + [STORM, STORM], 2),
        ([CALM] * 20 + [STORM] * 3 + [CALM] * 2, 0),
        ([CALM] * 20 + [STORM] * 3 + [CALM], 4),
        ([STORM] * 30, 0),  # it has lasted: the new world
    ],
)
def test_for_how_many_nights(losses, nights) -> None:
    assert nights_unsettled(Unsettled(), matured(*losses)) == nights


def test_what_lasts_is_soon_no_storm() -> None:
    lengths = [nights_unsettled(Unsettled(), matured(*[CALM] * 30, *[0.9] * days)) for days in range(1, 20)]
    assert max(lengths) == 8
    assert lengths[-1] == 0


def test_days_without_an_expectation_do_not_count() -> None:
    assert nights_unsettled(Unsettled(), matured(*[STORM] * 3, expected=None)) == 0  # type: ignore[arg-type]


@given(st.lists(st.floats(0.01, 5), max_size=40), st.floats(0.01, 100))
def test_the_unit_of_the_loss_does_not_matter(losses, unit) -> None:
    other = matured(*[loss * unit for loss in losses], expected=0.45 * unit)
    assert nights_unsettled(Unsettled(worse_by=0.1234567), other) == nights_unsettled(
        Unsettled(worse_by=0.1234567), matured(*losses)
    )


def test_a_retraining_waits(judge) -> None:
    decision = judge(OLD, performance=matured(*[CALM] * 20, STORM, STORM))
    assert decision.verdict == "wait"
    assert decision.sentence.startswith(
        "Held back, the newest 3 days are out of the ordinary, for 2 nights now, at most 7 are waited for. Age fired"
    )
    assert judge(OLD, performance=matured(*[CALM] * 22)).verdict == "retrain"


def test_not_for_ever(judge) -> None:
    rule = OLD | {"unsettled": {"at_most": 1}}
    facts = matured(*[CALM] * 20, STORM, STORM)
    decision = judge(rule, performance=facts)
    assert decision.verdict == "retrain"
    guard = next(guard for guard in decision.guards if guard.name == "unsettled")
    assert guard.sentence.endswith("longer than the 1 that are waited for")


def test_a_request_does_not_wait(judge) -> None:
    rule = {"request": {}, "unsettled": {}}
    assert judge(rule, performance=matured(*[CALM] * 20, STORM), requests=("mine",)).verdict == "retrain"


def test_new_values_are_no_storm(judge) -> None:
    facts = matured(*[CALM] * 20, STORM, STORM)
    new = DriftFacts(0.0, (ColumnFact("carrier", 0.5, 0.0, unseen_share=0.3),))
    decision = judge({"drift": UNSEEN, "unsettled": {}}, performance=facts, drift=new)
    assert decision.verdict == "retrain"
    assert "share of rows with a value that the champion never saw of carrier 0.3, threshold 0.1" in decision.sentence
    guard = next(guard for guard in decision.guards if guard.name == "unsettled")
    assert guard.sentence.endswith("but 30% of the rows hold values never seen before")


def test_a_few_new_values_are_usual(judge) -> None:
    few = DriftFacts(0.0, (ColumnFact("carrier", 0.5, 0.0, unseen_share=0.05),))
    assert judge({"drift": UNSEEN}, drift=few).verdict == "wait"
    assert judge({"drift": UNSEEN}, drift=DriftFacts(0.0)).answers[0].score is None


def test_the_usual_policy_waits_for_settled_days() -> None:
    assert Policy().unsettled == Unsettled()
    assert Policy.model_validate({"age": {}}).unsettled is None
    assert Policy.model_validate({"cooldown_days": 5, "unsettled": None}).unsettled is None


def test_more_days_to_compare_with_than_are_new() -> None:
    with pytest.raises(ValidationError, match="compared with more days than that, not 3"):
        Unsettled(days=3, of=3)


@pytest.mark.parametrize(("loss", "fired"), [(0.46, False), (0.4682, True)])
def test_performance_by_a_share(judge, loss, fired) -> None:
    rule = {"performance": {"than": "expected", "worse_by": 0.04, "relative": True}}
    answer = judge(rule, performance=matured(*[loss] * 7)).answers[0]
    assert answer.fired is fired
    assert answer.score == pytest.approx(loss / 0.45 - 1)
    assert answer.sentence.endswith("; allowed are +4.0%")

"""Slices, overlap, leakage, calibration, fairness: what each family says of sound facts, and of those that are not."""

from dataclasses import replace
from datetime import date

import pytest

from pipelines.config.gates import (
    CalibrationGate,
    FairnessGate,
    Family,
    Gates,
    LeakageGate,
    Mode,
    SlicesGate,
)
from pipelines.config.model import Task
from pipelines.errors import ConfigError
from pipelines.evaluation.calibration import CalibrationFacts
from pipelines.evaluation.fairness import Gaps, Group
from pipelines.evaluation.keys import SharedKeys
from pipelines.evaluation.leakage import LeakageFacts
from pipelines.evaluation.overlap import OverlapFacts
from pipelines.evaluation.record import Agreement, Measured, ScoreFacts
from pipelines.evaluation.segments import Part, Segment, SliceFacts
from pipelines.gates import calibration, fairness, families, leakage, overlap, slices

OVERLAP = OverlapFacts(
    trained=(date(2024, 1, 1), date(2024, 1, 20)),
    released=(date(2024, 1, 1), date(2024, 1, 25)),
    matured=date(2024, 1, 25),
    tested=(date(2024, 1, 21), date(2024, 1, 25)),
    rows=500,
    shared_rows=0,
    keys=SharedKeys(("order_id",), 510, 0),
    one_model=False,
)
AGAIN = SharedKeys(("order_id",), 510, 7, ((date(2024, 1, 3), date(2024, 1, 22), 7),))


METRICS = {"auc": 0.7, "pr_auc": 0.5, "log_loss": 0.5, "brier": 0.16, "calibration_error": 0.02}
FACTS = ScoreFacts(500, 0, 0.01, 0.9)


def measured(**changes):
    whole = Measured(
        task=Task.BINARY,
        rows=500,
        days=OVERLAP.tested,
        challenger=METRICS,
        baseline=METRICS | {"log_loss": 0.52},
        compared=None,
        agreement=Agreement(0.01, 0.2),
        trial_scores=FACTS,
        release_scores=FACTS,
        release={"rounds": 10},
    )
    return replace(whole, **changes)


def part(value, ours, theirs=None, rows=300):
    metrics = {"auc": 0.7, "log_loss": ours}
    return Part("shop", value, rows, metrics, None if theirs is None else {"auc": 0.7, "log_loss": theirs})


def sliced(*parts, segments=()):
    return measured(slices=SliceFacts(parts, segments, 2_000, 0.4))


def test_facts_that_nobody_knows_give_no_answer():
    for family in (slices, overlap, leakage, calibration, fairness):
        assert family.judge(measured(), Gates()) == []


@pytest.mark.parametrize(
    ("ours", "passed", "words"),
    [
        (0.5, True, "log_loss is 0.0% less than"),
        (0.624, True, "24.8% more"),
        (0.625, True, "25.0% more"),
        (0.63, False, "26.0% more than the champion's on 300 rows; at most 25% more is allowed"),
        (0.3, True, "the worst against the champion is west"),
    ],
)
def test_no_slice_may_lose_much_more_than_under_the_champion(ours, passed, words):
    found = slices.judge(sliced(part("east", ours, 0.5), part("west", 0.48, 0.5)), Gates())
    assert [item.name for item in found] == ["slices:shop", "slices:segments"]
    assert found[0].passed is passed
    assert words in found[0].sentence


def test_without_a_champion_slices_have_only_their_bounds():
    gates = Gates(slices=SlicesGate(floors={"auc": 0.75}, ceilings={"log_loss": 0.6}))
    found = slices.judge(sliced(part("east", 0.55), part("west", 0.61)), gates)
    assert [(item.name, item.passed) for item in found] == [
        ("slices:shop:auc", False),
        ("slices:shop:log_loss", False),
        ("slices:segments", True),
    ]
    assert "the worst is west: log_loss 0.61 on 300 rows, beyond the ceiling of 0.6" in found[1].sentence


def test_one_slice_that_nobody_can_judge_is_no_better_than_a_bad_one():
    parts = sliced(part("east", 0.4, 0.5), part("west", None, 0.5))
    bound, _, _ = slices.judge(parts, Gates(slices=SlicesGate(ceilings={"log_loss": 1.0})))
    assert not bound.passed
    assert "log_loss 0.4 on 300 rows, within the ceiling of 1; it cannot be computed in west" in bound.sentence


def test_a_slice_whose_loss_is_unknown_passes_nothing():
    bound, against, _ = slices.judge(
        sliced(part("east", None, 0.5)), Gates(slices=SlicesGate(ceilings={"log_loss": 1.0}))
    )
    assert not bound.passed
    assert not against.passed
    assert "cannot be compared with the champion's in shop east" in against.sentence


@pytest.mark.parametrize(
    ("segment", "passed", "words"),
    [
        (Segment("shop is south", 250, 1.0, 2.5, 0.6), True, "shop is south (250 rows), loses 2.5 times the mean"),
        (Segment("shop is south", 250, 1.4, 3.5, 0.6), False, "loses 3.5 times the mean; 3 times is allowed"),
        (Segment("shop is south", 250, 1.4, 3.5, 1.5), True, "hard for anybody"),
        (Segment("shop is south", 250, 1.4, 3.5, None), False, "3.5 times"),
    ],
)
def test_weak_segments_are_told_and_refused_above_the_bound(segment, passed, words):
    (found,) = slices.judge(sliced(segments=(segment,)), Gates())
    assert found.passed is passed
    assert words in found.sentence
    assert found.evidence["segments"][0]["rule"] == "shop is south"


def test_overlap_of_sound_facts_passes():
    found = overlap.judge(measured(overlap=OVERLAP), Gates())
    assert [item.name for item in found] == ["overlap:days", "overlap:rows", "overlap:keys", "overlap:release"]
    assert all(item.passed for item in found)


@pytest.mark.parametrize(
    ("changes", "name", "words"),
    [
        ({"trained": (date(2024, 1, 1), date(2024, 1, 21))}, "overlap:days", "2024-01-21, not after 2024-01-21"),
        ({"trained": (date(2024, 1, 1), date(2024, 1, 25))}, "overlap:days", "not after 2024-01-25"),
        ({"shared_rows": 3}, "overlap:rows", "3 of 500 test rows are training rows too"),
        ({"keys": AGAIN}, "overlap:keys", "7 of 510 events of the test days have a key (order_id) of a training day"),
        ({"keys": AGAIN}, "overlap:keys", "as those of 2024-01-22 and 2024-01-03: deliver an event once"),
        ({"one_model": True}, "overlap:release", "the same bytes"),
        ({"released": (date(2024, 1, 1), date(2024, 1, 27))}, "overlap:release", "2 after the last matured one"),
        (
            {"champion_seen": date(2024, 1, 23), "compared": date(2024, 1, 23)},
            "overlap:champion",
            "learnt through 2024-01-23 and is judged from 2024-01-23",
        ),
    ],
)
def test_overlap_of_any_kind_is_refused(changes, name, words):
    found = overlap.judge(measured(overlap=replace(OVERLAP, **changes)), Gates())
    (bad,) = [item for item in found if not item.passed]
    assert bad.name == name
    assert words in bad.sentence


def test_a_key_with_the_event_time_needs_no_comparison():
    facts = replace(OVERLAP, keys=SharedKeys(("shop", "placed_at"), 0, None))
    found = overlap.judge(measured(overlap=facts), Gates())[2]
    assert (found.name, found.passed, found.observed) == ("overlap:keys", True, None)
    assert "the key (shop, placed_at) holds the event time" in found.sentence


@pytest.mark.parametrize(("first", "words"), [(date(2024, 1, 24), "judged from 2024-01-24"), (None, "on no row")])
def test_a_champion_on_days_of_its_own_is_sound(first, words):
    facts = replace(OVERLAP, champion_seen=date(2024, 1, 23), compared=first)
    found = overlap.judge(measured(overlap=facts), Gates())[-1]
    assert found.passed
    assert words in found.sentence


@pytest.mark.parametrize(
    ("most", "membership", "passed"),
    [(0.98, 0.99, [True, True]), (0.981, 0.5, [False, True]), (0.6, 0.991, [True, False])],
)
def test_leakage(most, membership, passed):
    facts = LeakageFacts("AUC", (("tip", most), ("rain", 0.55)), 4_000, membership, (0.4, 1.0))
    found = leakage.judge(measured(leakage=facts), Gates())
    assert [item.passed for item in found] == passed
    assert found[0].sentence.startswith("tip alone comes to AUC")
    assert ("after_event" in found[0].sentence) is not passed[0]
    assert found[1].interval == (0.4, 1.0)


@pytest.mark.parametrize(("follows", "passed"), [(0.99, True), (0.9901, False)])
def test_a_clock_among_the_features(follows, passed):
    facts = LeakageFacts("AUC", (("tip", 0.6),), 4_000, None, None, ("counter", follows))
    found = leakage.judge(measured(leakage=facts), Gates())[1]
    assert (found.name, found.passed) == ("leakage:clock", passed)
    assert ("counts rows or days" in found.sentence) is not passed


def test_leakage_without_rows_to_tell_membership_says_nothing_about_it():
    facts = LeakageFacts("R2", (("tip", 0.5),), 40, None, None)
    assert len(leakage.judge(measured(leakage=facts), Gates(leakage=LeakageGate(single_feature=0.5)))) == 1


@pytest.mark.parametrize(
    ("error", "bias", "passed"),
    [(0.2, 0.5, [True, True]), (0.21, -0.5, [False, True]), (0.1, -0.51, [True, False]), (None, None, [False, False])],
)
def test_calibration(error, bias, passed):
    facts = CalibrationFacts(900, error, "late" if error else "", bias, "")
    found = calibration.judge(measured(calibration=facts), Gates())
    assert [item.passed for item in found] == passed
    if bias is not None:
        assert ("too low" in found[1].sentence) is (bias < 0)
        assert "of class late" in found[0].sentence


def test_calibration_of_a_regression_speaks_of_spread():
    facts = CalibrationFacts(900, 0.1, "", 0.2, "")
    found = calibration.judge(measured(calibration=facts, task=Task.REGRESSION), Gates(calibration=CalibrationGate()))
    assert "standard deviation" in found[0].sentence
    assert "20.0% of the label's standard deviation too high" in found[1].sentence


GROUPS = (Group("a", 900, 0.4, 0.5), Group("b", 700, 0.3, 0.45))


@pytest.mark.parametrize(
    ("gaps", "passed"),
    [
        (Gaps("sex", GROUPS, 0, 0.1, 0.05, 0.9, (0.05, 0.15), (0, 0.1), (0.7, 0.95)), [True, True, True]),
        (Gaps("sex", GROUPS, 0, 0.21, 0.05, 0.9), [False, True, True]),
        (Gaps("sex", GROUPS, 0, 0.1, 0.21, 0.9), [True, False, True]),
        (Gaps("sex", GROUPS, 0, 0.1, 0.05, 0.79), [True, True, False]),
        (Gaps("sex", GROUPS[:1], 40), [False, False, False]),
    ],
)
def test_fairness(gaps, passed):
    gates = Gates(fairness=FairnessGate(attributes=("sex",)))
    found = fairness.judge(measured(fairness=(gaps,)), gates)
    assert [item.name for item in found] == [f"fairness:sex:{what}" for what in ("selection", "opportunity", "impact")]
    assert [item.passed for item in found] == passed
    assert found[0].interval == gaps.selection_interval
    if not any(passed):
        assert "no two groups" in found[0].sentence


def test_each_family_obeys_its_mode():
    whole = measured(overlap=replace(OVERLAP, shared_rows=3))
    for mode, refused in ((Mode.ON, 1), (Mode.DRY_RUN, 0), (Mode.OFF, 0)):
        results = families.judge(whole, Gates(modes={Family.OVERLAP: mode}))
        assert sum(item.refuses for item in results) == refused
        assert any(item.name == "overlap:rows" for item in results) is (mode is not Mode.OFF)


def test_bounds_of_slices_must_name_metrics():
    with pytest.raises(ConfigError, match=r"gates\.slices\.floors"):
        families.judge(measured(), Gates(slices=SlicesGate(floors={"gini": 0.1})))

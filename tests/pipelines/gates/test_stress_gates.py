"""The families that put models under stress: what they say of measured facts."""

from dataclasses import replace
from datetime import date

import pytest

from pipelines.config.gates import (
    BehaviourGate,
    Direction,
    Gates,
    Invariance,
    PoisoningGate,
    RobustnessGate,
    ServingGate,
)
from pipelines.config.model import Task
from pipelines.evaluation.behaviour import Behaviour, Moved, Turned
from pipelines.evaluation.poisoning import Copies, Labels, Poisoning
from pipelines.evaluation.record import Agreement, Measured, ScoreFacts
from pipelines.evaluation.robustness import Robustness, Spoilt
from pipelines.evaluation.serving import Serving
from pipelines.gates import behaviour, poisoning, robustness, serving

SPOILT = (
    Spoilt("rain", "missing", 0.4),
    Spoilt("hour", "missing", 2.4),
    Spoilt("rain", "noise", -0.01),
    Spoilt("shop", "unknown", None),
    Spoilt("product", "unknown", 5.0),
)
SERVED = Serving("", 10_000, 0, 8, 0, 1.5, {"row_ms": {"cpu_p99": 2.0}, "rows_per_second": 50_000})
WINDOW = (date(2024, 2, 5), date(2024, 2, 7))
CLEAN = Poisoning(
    date(2024, 2, 3),
    date(2024, 2, 7),
    3,
    order_before=0.65,
    usual=0.03,
    labels=Labels(*WINDOW, 360, 0.6, 0.02, (0.0, 0.05)),
    copies=Copies(*WINDOW, 0.01, 0.0),
)


def measured(**stressed):
    facts = ScoreFacts(1400, 0, 0.01, 0.9)
    days = (date(2024, 2, 3), date(2024, 2, 7))
    return Measured(Task.BINARY, 1400, days, {}, {}, None, Agreement(0.01, 0.2), facts, facts, {}, **stressed)


def named(results):
    return {result.name: result for result in results}


def test_facts_that_nobody_measured_are_no_answers():
    for family in (robustness, behaviour, serving, poisoning):
        assert family.judge(measured(), Gates()) == []


def test_the_worst_feature_of_every_kind_decides_and_no_number_is_worst():
    found = named(robustness.judge(measured(robustness=Robustness(500, 0.4, 0.6, SPOILT)), Gates()))
    assert set(found) == {"robustness:missing", "robustness:noise", "robustness:unknown"}
    assert not found["robustness:missing"].passed
    assert found["robustness:missing"].observed == 2.4
    assert found["robustness:missing"].evidence["worst"][0] == {"feature": "hour", "growth": 2.4}
    said = (
        "with hour missing, the worst of 2, the mean loss grows by 2.4 times 0.6, what knowing nothing loses; at most 2"
    )
    assert said in found["robustness:missing"].sentence
    assert found["robustness:noise"].passed
    assert not found["robustness:unknown"].passed
    assert "no finite number" in found["robustness:unknown"].sentence
    loose = Gates(robustness=RobustnessGate(missing=2.4))
    assert named(robustness.judge(measured(robustness=Robustness(500, 0.4, 0.6, SPOILT)), loose))[
        "robustness:missing"
    ].passed


@pytest.mark.parametrize(
    ("score", "change", "passed"),
    [("rise", 0.1, True), ("rise", -0.1, False), ("fall", 0.1, False), ("fall", 0.0, True), ("rise", None, False)],
)
def test_directions(score, change, passed):
    rule = BehaviourGate(direction=(Direction(column="rain", by=5.0, score=score),))
    found = Behaviour(100, (), (Turned("rain", 5.0, change, 0.5),))
    (result,) = behaviour.judge(measured(behaviour=found), Gates(behaviour=rule))
    assert (result.name, result.passed) == (f"behaviour:rain:{score}", passed)


@pytest.mark.parametrize(("mean", "passed"), [(0.01, True), (0.011, False), (None, False)])
def test_invariance(mean, passed):
    rule = BehaviourGate(invariance=(Invariance(column="shop"),))
    found = Behaviour(100, (Moved("shop", "east", mean),), ())
    (result,) = behaviour.judge(measured(behaviour=found), Gates(behaviour=rule))
    assert result.passed is passed
    assert "east" in result.sentence


@pytest.mark.parametrize(
    ("changes", "refused"),
    [
        ({}, set()),
        ({"failed": "exit code 3: its sha256 is …"}, {"serving:loads"}),
        ({"differing": 1}, {"serving:parity"}),
        ({"example_differing": 2}, {"serving:parity"}),
        ({"megabytes": 501.0}, {"serving:size"}),
        ({"clock": {"row_ms": {"cpu_p99": 101.0}, "rows_per_second": 50_000}}, {"serving:row"}),
        ({"clock": {"row_ms": {"cpu_p99": 1.0}, "rows_per_second": 999}}, {"serving:throughput"}),
    ],
)
def test_serving(changes, refused):
    results = serving.judge(measured(serving=replace(SERVED, **changes)), Gates())
    assert {result.name for result in results if result.refuses} == refused


def test_a_passing_answer_tells_no_time_that_a_second_run_could_not_repeat():
    slower = replace(SERVED, clock={"row_ms": {"cpu_p99": 3.0}, "rows_per_second": 40_000})
    assert serving.judge(measured(serving=SERVED), Gates()) == serving.judge(measured(serving=slower), Gates())
    bounds = Gates(serving=ServingGate(max_row_ms=2.5))
    (slow,) = [result for result in serving.judge(measured(serving=slower), bounds) if not result.passed]
    assert "it took 3 ms" in slow.sentence


@pytest.mark.parametrize(
    ("changes", "refused"),
    [
        ({}, set()),
        ({"labels": Labels(*WINDOW, 360, 0.3, 0.3, (0.11, 0.4))}, {"poisoning:labels"}),
        ({"labels": Labels(*WINDOW, 360, 0.3, 0.3, (0.09, 0.4))}, set()),
        ({"labels": Labels(*WINDOW, 360, 0.3, 0.3, (0.2, 0.4)), "usual": 0.2}, set()),
        ({"labels": None}, set()),
        ({"copies": Copies(*WINDOW, 0.2, 0.0)}, {"poisoning:copies"}),
        ({"copies": Copies(*WINDOW, 0.2, 0.16)}, set()),
    ],
    ids=["clean", "flips", "by chance", "as before", "cannot tell", "copies", "copies as before"],
)
def test_poisoning(changes, refused):
    results = poisoning.judge(measured(poisoning=replace(CLEAN, **changes)), Gates())
    assert {result.name for result in results if result.refuses} == refused


def test_the_bounds_are_the_models_own():
    tight = Gates(poisoning=PoisoningGate(max_flipped=0.0, max_duplicates=0.0))
    results = poisoning.judge(
        measured(poisoning=replace(CLEAN, usual=0.0, labels=Labels(*WINDOW, 360, 0.6, 0.02, (0.001, 0.1)))), tight
    )
    assert not any(result.passed for result in results)

import numpy as np
import pytest

from pipelines.config.model import Task
from pipelines.evaluation.calibration import facts

ROWS = 6_000


def honest(seed=1):
    random = np.random.default_rng(seed)
    chance = random.uniform(0.05, 0.6, ROWS)
    return (random.random(ROWS) < chance).astype(float), chance.astype("f4")


def test_honest_scores_are_near_their_labels():
    found = facts(Task.BINARY, *honest(), ())
    assert found.error < 0.03
    assert abs(found.bias) < 0.05
    assert (found.rows, found.error_of) == (ROWS, "")


@pytest.mark.parametrize(("factor", "error", "bias"), [(1.6, 0.19, 0.6), (0.4, 0.19, -0.6)])
def test_scores_twice_too_high_or_low_are_biased(factor, error, bias):
    label, score = honest()
    found = facts(Task.BINARY, label, score * np.float32(factor), ())
    assert found.error == pytest.approx(error, abs=0.03)
    assert found.bias == pytest.approx(bias, abs=0.06)


def test_overconfident_scores_have_an_error_and_no_bias():
    label, score = honest()
    pushed = np.where(score > 0.325, 0.98, 0.0).astype("f4")
    found = facts(Task.BINARY, label, np.where(score > 0.325, 0.65, 0.0).astype("f4"), ())
    assert found.error > 0.15
    assert abs(found.bias) < 0.1
    assert facts(Task.BINARY, label, pushed, ()).error > 0.2


def test_the_worst_class_is_named_and_a_rare_one_is_no_bias():
    random = np.random.default_rng(3)
    label = random.choice(3, ROWS, p=[0.6, 0.398, 0.002]).astype(float)
    score = np.tile(np.array([0.4, 0.5, 0.1], "f4"), (ROWS, 1))
    found = facts(Task.MULTICLASS, label, score, ("a", "b", "rare"))
    assert found.error_of == "a"
    assert found.bias_of == "a"
    assert found.bias == pytest.approx(-0.33, abs=0.05)


def test_a_regression_is_measured_in_the_spread_of_its_label():
    random = np.random.default_rng(4)
    label = random.normal(0, 40, ROWS)
    score = (label + random.normal(0, 10, ROWS) + 20).astype("f4")
    found = facts(Task.REGRESSION, label, score, ())
    assert found.bias == pytest.approx(0.5, abs=0.03)
    assert found.error == pytest.approx(0.5, abs=0.05)


def test_what_cannot_be_known_is_none():
    label, score = honest()
    score[3] = np.nan
    assert facts(Task.BINARY, label, score, ()).error is None
    assert facts(Task.BINARY, np.zeros(50), np.full(50, 0.1, "f4"), ()).bias is None
    assert facts(Task.REGRESSION, np.ones(50), np.ones(50, "f4"), ()).error is None
    assert facts(Task.BINARY, label[:0], score[:0], ()).error is None

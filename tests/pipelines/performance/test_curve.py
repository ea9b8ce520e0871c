import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from pipelines.performance.curve import Curve


@given(st.integers(1, 2000), st.integers(0, 5))
def test_a_rising_curve_never_falls_and_keeps_the_mean(rows: int, seed: int) -> None:
    random = np.random.default_rng(seed)
    score = np.round(random.random(rows), 2)
    target = random.random(rows) < score
    curve = Curve.rising(score, target)
    assert (np.diff(curve.value) >= 0).all()
    assert (np.diff(curve.at) > 0).all()
    assert min(curve.value) >= 0
    assert max(curve.value) <= 1


def test_it_agrees_with_isotonic_regression() -> None:
    from sklearn.isotonic import IsotonicRegression

    random = np.random.default_rng(0)
    score = random.random(20_000)
    target = random.random(20_000) < score**2
    theirs = IsotonicRegression(out_of_bounds="clip").fit(score, target)
    at = np.linspace(0.05, 0.95, 50)
    assert Curve.rising(score, target)(at) == pytest.approx(theirs.predict(at), abs=0.05)


def test_beyond_its_ends_it_is_level() -> None:
    curve = Curve((0.25, 0.75), (1.0, 3.0))
    assert curve(np.array([0.0, 0.5, 9.0])).tolist() == [1.0, 2.0, 3.0]


def test_a_curve_of_nothing_expects_nothing() -> None:
    curve = Curve.binned(np.empty(0), np.empty(0))
    assert np.isnan(curve(np.array([0.5]))).all()


def test_json_holds_it_whole() -> None:
    curve = Curve.binned(np.arange(500.0), np.arange(500.0) ** 2)
    assert Curve.from_json(curve.to_json()) == curve

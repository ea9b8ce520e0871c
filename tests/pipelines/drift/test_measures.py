"""The measures are scipy's, on the same bins, and know what to say of nothing."""

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from scipy.spatial.distance import jensenshannon
from scipy.special import rel_entr
from scipy.stats import wasserstein_distance

from pipelines.drift.grid import make_grid
from pipelines.drift.measures import LEAST_SHARE, divergence, jensen_shannon, places, psi, wasserstein

counts = st.lists(st.integers(0, 1000), min_size=8, max_size=8).filter(any)
EDGES = (-4.0, -1.0, 0.0, 0.5, 2.0, 10.0, 11.0)


@given(counts, counts)
def test_they_are_what_scipy_says(p, q):
    assert jensen_shannon(p, q) == pytest.approx(jensenshannon(p, q, base=2), abs=1e-7)
    where = places(EDGES)
    assert wasserstein(p, q, EDGES, scale=1.0) == pytest.approx(wasserstein_distance(where, where, p, q), abs=1e-9)
    first, second = (np.maximum(np.array(side) / sum(side), LEAST_SHARE) for side in (p, q))
    expected = rel_entr(first, second).sum() + rel_entr(second, first).sum()
    assert psi(p, q) == pytest.approx(expected, abs=1e-9)


@given(counts, counts)
def test_they_are_symmetric_and_bounded(p, q):
    assert jensen_shannon(p, q) == pytest.approx(jensen_shannon(q, p))
    assert 0 <= jensen_shannon(p, q) <= 1
    assert psi(p, q) == pytest.approx(psi(q, p))
    assert jensen_shannon(p, p) == pytest.approx(0, abs=1e-7)
    assert (psi(p, p), wasserstein(p, p, EDGES)) == (0, 0)


@given(st.integers(1, 1000), counts, counts)
def test_more_of_the_same_rows_change_nothing(times, p, q):
    many = [count * times for count in p]
    assert jensen_shannon(many, q) == pytest.approx(jensen_shannon(p, q), abs=1e-6)
    assert psi(many, q) == pytest.approx(psi(p, q), abs=1e-9)


def test_nothing_in_common_is_one():
    assert jensen_shannon([5, 0], [0, 7]) == pytest.approx(1)


def test_nothing_at_all_is_no_drift():
    nothing = [0] * 8
    for measure in (jensen_shannon, psi, lambda p, q: wasserstein(p, q, EDGES)):
        assert measure(nothing, [1] * 8) == measure([1] * 8, nothing) == 0.0
    assert wasserstein([3], [4], ()) == 0.0
    assert wasserstein([3, 0], [4, 0], (1.0,)) == 0.0


def test_many_at_once():
    p, q = np.arange(24).reshape(3, 8), np.ones((3, 8))
    assert divergence(p, q).tolist() == pytest.approx([jensen_shannon(a, b) ** 2 for a, b in zip(p, q, strict=True)])


def test_moving_by_a_deviation_is_a_wasserstein_of_one():
    import pyarrow as pa

    random = np.random.default_rng(1)
    values = random.normal(0, 5, 100_000)
    bins = make_grid(pa.table({"x": values})).columns["x"]
    sides = [np.histogram(side, [-np.inf, *bins.values, np.inf])[0] for side in (values + 5, values)]
    assert wasserstein(*sides, bins.values, scale=values.std()) == pytest.approx(1, abs=0.05)
    # The same by the counts' own deviation, and near what scipy says of the rows themselves.
    assert wasserstein(*sides, bins.values) == pytest.approx(1, abs=0.1)

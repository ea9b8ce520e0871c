"""Counting by edges: the quick way and the plain one say the same, to the last value."""

import time

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from hypothesis.extra.numpy import arrays

from pipelines.drift import bins
from pipelines.drift.grid import Edges, make_grid

finite = st.floats(allow_nan=False, allow_infinity=False)


@given(st.sets(finite, min_size=1, max_size=20), arrays(np.float64, st.integers(0, 50), elements=finite))
def test_the_lookup_says_what_a_search_says(edges, values):
    made = Edges(tuple(sorted(edges)))
    with np.errstate(over="ignore"):
        beside = [np.nextafter(made.values, end) for end in (np.inf, -np.inf)]
    near = np.concatenate([values, made.values, *beside])
    near = near[np.isfinite(near)]
    many = np.resize(near, bins.FEW + 7)
    expected = np.bincount(np.searchsorted(np.asarray(made.values), many, side="right"), minlength=made.size)
    assert bins.count(many, made).tolist() == expected.tolist()


@pytest.mark.parametrize("values", [np.array([-0.0, 0.0] * 15_000), np.array([1e308, -1e308] * 15_000)], ids=str)
def test_zeros_and_ends(values):
    edges = Edges((-1e308, 0.0, 5e-324, 1e308))
    expected = np.bincount(np.searchsorted(np.asarray(edges.values), values, side="right"), minlength=edges.size)
    assert bins.count(values, edges).tolist() == expected.tolist()


def test_no_edges_is_one_bin():
    assert bins.count(np.arange(30_000.0), Edges(())).tolist() == [30_000]


def test_it_is_quicker_than_a_search():
    import pyarrow as pa

    values = np.random.default_rng(1).normal(1013, 7, 500_000)
    edges = make_grid(pa.table({"x": values})).columns["x"]
    bins.count(values, edges)
    quick = min(_seconds(lambda: bins.count(values, edges)) for _ in range(5))
    plain = min(_seconds(lambda: np.searchsorted(np.asarray(edges.values), values)) for _ in range(5))
    assert quick < plain


def _seconds(function):
    start = time.perf_counter()
    function()
    return time.perf_counter() - start

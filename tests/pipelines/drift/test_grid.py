"""Grids: made once, the same for the same rows, and fixed for what they know."""

import json
from datetime import date

import numpy as np
import pyarrow as pa
import pytest
from hypothesis import given
from hypothesis import strategies as st

from pipelines.drift.grid import BINS, TOP, Categories, Edges, Grid, grid_id, make_grid
from pipelines.drift.profile import profile
from pipelines.errors import IntegrityError

numbers = st.lists(st.one_of(st.none(), st.floats(allow_nan=True, allow_infinity=True)), max_size=80)


@given(numbers)
def test_edges_ascend_are_finite_and_survive_json(values):
    grid = make_grid(pa.table({"x": pa.array(values, pa.float64())}))
    edges = grid.columns["x"].values
    assert list(edges) == sorted(set(edges))
    assert np.isfinite(edges).all()
    again = Grid.from_json(json.loads(json.dumps(grid.to_json(), allow_nan=False)))
    assert again == grid
    assert grid_id(again.columns["x"]) == grid_id(grid.columns["x"])


@given(st.sets(st.integers(-1000, 1000), min_size=1, max_size=BINS))
def test_few_values_have_a_bin_each(values):
    table = pa.table({"x": sorted(values)})
    hist = profile(table, make_grid(table))["columns"]["x"]["hist"]
    assert sorted(count for count in hist if count) == [1] * len(values)


def test_many_values_are_spread_evenly():
    table = pa.table({"x": np.random.default_rng(1).exponential(size=64_000)})
    hist = [count for count in profile(table, make_grid(table))["columns"]["x"]["hist"] if count]
    assert len(hist) == BINS + 8
    assert max(hist) == pytest.approx(1000, abs=1)
    assert sum(hist[:5]) == pytest.approx(1000, abs=1)
    assert hist[0] == pytest.approx(1000 / 16, abs=1)
    assert max(hist[5:-5]) - min(hist[5:-5]) <= 2


def test_another_scale_does_not_fall_into_one_bin():
    miles = np.random.default_rng(1).uniform(80, 5000, 10_000)
    grid = make_grid(pa.table({"x": miles}))
    hist = profile(pa.table({"x": miles * 1.609}), grid)["columns"]["x"]["hist"]
    assert hist[-1] == 0


def test_kinds_of_columns():
    table = pa.table(
        {
            "flag": pa.array([True, False, None]),
            "word": pa.array(["b", "a", "b"]).dictionary_encode(),
            "day": [date(2013, 1, 1)] * 3,
            "list": [[1], [2], None],
            "none": pa.nulls(3),
            "empty": pa.nulls(3, pa.float32()),
        }
    )
    columns = make_grid(table).columns
    assert set(columns) == {"flag", "word", "empty"}
    assert columns["word"] == Categories(("b", "a"))
    assert columns["empty"] == Edges(())
    hist = profile(table, Grid(columns))["columns"]["flag"]["hist"]
    assert [count for count in hist if count] == [1, 1]


def test_known_columns_keep_their_bins_unless_their_kind_changed():
    first = make_grid(pa.table({"x": [1.0, 2.0], "y": ["a", "b"], "gone": [1, 2]}))
    second = make_grid(pa.table({"x": [9.0], "y": [1.5], "new": ["c"]}), before=first)
    assert second.columns["x"] == first.columns["x"]
    assert second.columns["gone"] == first.columns["gone"]
    assert second.columns["y"].kind == "number"
    assert second.columns["new"] == Categories(("c",))


def test_keys_have_no_bins_of_their_own():
    assert make_grid(pa.table({"x": [f"k{n}" for n in range(TOP + 1)]})).columns["x"] == Categories(())


def test_more_rows_than_are_looked_at():
    table = pa.table({"x": np.arange(450_000) % 1000})
    assert make_grid(table) == make_grid(table)
    assert make_grid(table).columns["x"].size > BINS


@pytest.mark.parametrize("value", [{}, {"columns": {"x": {"kind": "time", "values": []}}}, {"columns": [1]}])
def test_what_is_no_grid(value):
    with pytest.raises(IntegrityError):
        Grid.from_json(value)

"""Profiles of two stretches of time, compared: numbers and texts, missing and unseen values."""

import json

import numpy as np
import pyarrow as pa
import pytest

from pipelines.drift.compare import compare
from pipelines.drift.grid import make_grid
from pipelines.drift.profile import merge_all, profile

RANDOM = np.random.default_rng(11)
ROWS = 5000


def table(mean=0.0, words="aab", nulls=0.0, rows=ROWS):
    x = RANDOM.normal(mean, 2, rows)
    return pa.table(
        {
            "x": pa.array(x, mask=RANDOM.random(rows) < nulls),
            "word": pa.array(RANDOM.choice(list(words), rows)),
            "day": pa.array([1] * rows, pa.timestamp("us")),
        }
    )


REFERENCE = table()
GRID = make_grid(REFERENCE)


def against(current, days=()):
    return {found.name: found for found in compare(profile(REFERENCE, GRID), profile(current, GRID), GRID, days)}


def test_the_same_is_no_drift():
    found = against(table())
    assert set(found) == {"x", "word"}
    for column in found.values():
        assert (column.effect, column.unseen_share, column.null_shift) == (0, 0, 0)
        assert column.js < 0.1
        assert (column.rows_reference, column.rows_current) == (ROWS, ROWS)
        json.dumps(column.to_json(), allow_nan=False)


def test_a_mean_that_moves():
    found = against(table(mean=1.0))
    assert found["x"].wasserstein == pytest.approx(0.5, rel=0.1)
    assert 0.1 < found["x"].effect <= found["x"].js
    assert found["word"].effect == 0


def test_values_that_go_missing():
    found = against(table(nulls=0.3))["x"]
    assert found.null_shift == pytest.approx(0.3, abs=0.03)
    assert found.effect > 0.2
    assert found.wasserstein < 0.1


def test_not_finite_is_missing():
    current = table().set_column(0, "x", pa.array(np.full(ROWS, np.nan)))
    assert against(current)["x"].null_shift == 1
    assert against(current)["x"].js == pytest.approx(1)


def test_words_never_seen():
    found = against(table(words="aabz"))["word"]
    assert found.unseen_share == pytest.approx(0.25, abs=0.03)
    assert found.wasserstein is None
    assert found.effect > 0.2


def test_words_never_seen_where_the_reference_has_too_many_to_name():
    many = pa.table({"word": [f"w{n % 200}" for n in range(ROWS)]})
    grid = make_grid(many)
    named = grid.columns["word"].values
    reference = pa.table({"word": [word for word in many["word"].to_pylist() if word != named[0]]})
    current = pa.table({"word": [named[0]] * 50 + list(named[1:51])})
    (found,) = compare(profile(reference, grid), profile(current, grid), grid)
    assert found.unseen_share == 0.5


def test_columns_not_counted_by_this_grid_are_left_out():
    other = make_grid(pa.table({"x": [1.0, 2.0], "word": ["q", "q"]}))
    assert compare(profile(REFERENCE, GRID), profile(REFERENCE, other), GRID) == ()
    assert compare(profile(REFERENCE), profile(REFERENCE, GRID), GRID) == ()
    assert [c.name for c in compare(profile(REFERENCE, GRID), profile(REFERENCE.select(["x"]), GRID), GRID)] == ["x"]


def test_no_rows_are_no_drift():
    found = against(REFERENCE.slice(0, 0))
    assert {column.effect for column in found.values()} == {0.0}


def test_days_that_differ_count_as_noise():
    days = [profile(table(mean=RANDOM.normal(0, 1), rows=300), GRID) for _ in range(60)]
    reference, week = merge_all(days), profile(table(mean=0.5, rows=2100), GRID)
    blind, seen = (compare(reference, week, GRID, given)[0] for given in ((), days))
    assert blind.effect > seen.effect
    assert blind.js == seen.js

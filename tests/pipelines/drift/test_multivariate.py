"""Telling current rows from reference rows: none where they are alike, also where days differ; all where they part."""

import numpy as np
import pyarrow as pa
import pytest

from pipelines.drift.multivariate import ROWS, Separability, separability

RANDOM = np.random.default_rng(5)


def rows(count=1500, turn=1.0, shift=0.0):
    x = RANDOM.normal(shift, 1, count)
    return pa.table(
        {
            "x": pa.array(x, mask=RANDOM.random(count) < 0.05),
            "y": turn * x + RANDOM.normal(0, 0.5, count),
            "word": pa.array(RANDOM.choice(["a", "b", "c"], count)).dictionary_encode(),
            "flag": RANDOM.random(count) < 0.3,
            "time": pa.array(np.arange(count), pa.timestamp("us")),
        }
    )


def test_alike_rows_are_not_told_apart():
    found = separability(rows(), rows(), seed=1)
    assert found.low < 0.5 < found.high
    assert found.auc == pytest.approx(0.5, abs=0.05)
    assert found.rows == 1500


def test_what_no_single_column_shows():
    found = separability(rows(), rows(turn=-1.0), seed=1)
    assert found.low > 0.7
    assert found.low <= found.auc <= found.high


def test_a_column_that_moved():
    assert separability(rows(), rows(shift=2.0), seed=1).auc > 0.9


def test_days_with_a_weather_of_their_own_are_not_drift():
    def days(count, per_day=200):
        weather = np.repeat(RANDOM.normal(0, 1, count), per_day)
        return pa.table({"weather": weather, "noise": RANDOM.normal(size=len(weather))})

    found = [separability(days(60), days(10), seed=1) for _ in range(5)]
    assert sum(item.low > 0.5 for item in found) <= 1
    assert np.mean([item.auc for item in found]) < 0.65


def test_it_says_the_same_again_and_looks_at_so_many_rows():
    before, now = rows(12_000), rows(7_000, shift=0.2)
    first = separability(before, now, seed=3)
    assert first == separability(before, now, seed=3)
    assert first.rows == ROWS


@pytest.mark.parametrize(
    ("before", "now"),
    [
        (rows(5), rows()),
        (rows(), rows(0)),
        (rows().select(["time"]), rows().select(["time"])),
        (rows().select(["x"]), rows().select(["word"])),
        (pa.table({"x": ["a"] * 50}), pa.table({"x": [1.0] * 50})),
    ],
    ids=["few", "none", "times", "other columns", "another kind"],
)
def test_nothing_to_tell_by(before, now):
    assert separability(before, now, seed=1) == Separability(0.5, 0.0, 1.0, max(before.num_rows, now.num_rows))


def test_texts_that_are_many_missing_or_new():
    words = [f"w{n}" for n in range(400)]
    before = pa.table({"x": pa.array([*words, *words, None, None])})
    now = pa.table({"x": pa.array(["new"] * 400)})
    assert separability(before, now, seed=1).auc > 0.9

"""Rows in any order come out in theirs, month by month, whether or not they fit into memory."""

from datetime import date

import numpy as np
import pyarrow as pa
import pytest

from pipelines.engines import order
from pipelines.engines.order import by_month
from pipelines.engines.sources import first_row_id

MONTHS = [date(2024, month, 1) for month in (1, 2, 3)]


def batches(row_ids: np.ndarray, size: int) -> list[pa.RecordBatch]:
    whole = pa.RecordBatch.from_arrays([pa.array(row_ids), pa.array(row_ids % 97).cast(pa.string())], ["row_id", "x"])
    return [whole.slice(start, size) for start in range(0, len(row_ids), size)]


def ids() -> np.ndarray:
    return np.concatenate([first_row_id(month) + np.arange(500) * 7 for month in MONTHS])


@pytest.mark.parametrize("held", [1 << 30, 2_000])
@pytest.mark.parametrize("size", [33, 10_000])
def test_shuffled(tmp_path, monkeypatch, held, size):
    monkeypatch.setattr(order, "HELD_BYTES", held)
    shuffled = np.random.default_rng(1).permutation(ids())
    found = list(by_month(batches(shuffled, size), list(reversed(MONTHS)), tmp_path / "s"))
    assert [month for month, _ in found] == MONTHS
    assert np.array_equal(np.concatenate([table["row_id"].to_numpy() for _, table in found]), ids())
    assert all(table["x"].to_pylist() == [str(row % 97) for row in table["row_id"].to_pylist()] for _, table in found)
    assert not list((tmp_path / "s").glob("*")), "nothing is left behind"


def test_blocks_out_of_turn_are_put_in_order(tmp_path):
    pieces = list(reversed(batches(ids(), 100)))
    found = pa.concat_tables([table for _, table in by_month(pieces, MONTHS, tmp_path)])
    assert np.array_equal(found["row_id"].to_numpy(), ids())


def test_month_without_rows_is_left_out(tmp_path):
    january = ids()[:500]
    assert [month for month, _ in by_month(batches(january, 50), MONTHS, tmp_path)] == MONTHS[:1]


def test_files_go_even_when_the_reader_stops(tmp_path, monkeypatch):
    monkeypatch.setattr(order, "HELD_BYTES", 1_000)
    months = by_month(batches(ids(), 50), MONTHS, tmp_path)
    next(months)
    assert list(tmp_path.iterdir())
    months.close()
    assert not list(tmp_path.iterdir())

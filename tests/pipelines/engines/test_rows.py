"""Selections of the feature table: days, labels, samples, damage."""

from __future__ import annotations

from datetime import timedelta
from pathlib import Path

import pyarrow as pa
import pytest
from feature_tables import START, make

from pipelines.engines import rows as module
from pipelines.engines.rows import Rows
from pipelines.errors import DataError, IntegrityError


def ids(rows: Rows) -> list[int]:
    return [value for batch in rows.batches(["row_id"]) for value in batch.column("row_id").to_pylist()]


def test_days_are_inclusive_and_rows_stay_in_order(tmp_path: Path) -> None:
    table = make(tmp_path)
    found = ids(table.rows(10, 14, labelled=False))
    assert len(found) == 5 * 60
    assert found == sorted(found)
    days = {number // 10**8 for number in found}
    assert len(days) == 5


def test_unlabelled_rows_are_left_out_unless_asked_for(tmp_path: Path) -> None:
    table = make(tmp_path)
    assert len(ids(table.rows())) < len(ids(table.rows(labelled=False))) == 40 * 60


def test_one_row_in_so_many_is_kept_whatever_the_batches(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    table = make(tmp_path)
    whole = ids(table.rows())
    for size in (250_000, 7, 100):
        monkeypatch.setattr(module, "BATCH_ROWS", size)
        assert ids(table.rows(every=7)) == whole[::7]


def test_columns_come_in_the_order_asked_for(tmp_path: Path) -> None:
    table = make(tmp_path)
    batch = next(table.rows().batches(["noise", "row_id", "place"]))
    assert batch.schema.names == ["noise", "row_id", "place"]


def test_a_window_without_files_is_refused(tmp_path: Path) -> None:
    table = make(tmp_path)
    with pytest.raises(DataError, match="no rows from 2025"):
        ids(Rows(table.data, START + timedelta(days=400), START + timedelta(days=401)))


def test_a_flipped_bit_is_found(tmp_path: Path) -> None:
    table = make(tmp_path)
    path = sorted(table.data.iterdir())[0]
    raw = bytearray(path.read_bytes())
    raw[len(raw) // 3] ^= 4
    path.write_bytes(raw)
    with pytest.raises(IntegrityError, match="cannot be read"):
        list(table.rows().batches(["speed", "place", "noise", "count"]))


def test_a_missing_column_is_refused_with_the_difference(tmp_path: Path) -> None:
    def rename(table: pa.Table) -> pa.Table:
        return table.rename_columns({"speed": "velocity"})

    table = make(tmp_path, change=rename)
    with pytest.raises(IntegrityError, match=r"lacks column speed; it has besides: velocity"):
        list(table.rows().batches(["speed", "place", "noise", "count"]))


def test_columns_that_are_null_somewhere_are_known_without_reading_them(tmp_path: Path) -> None:
    table = make(tmp_path)
    names = ["speed", "place", "noise", "count"]
    assert table.rows().nulls(names) == {"speed", "place"}
    assert table.rows().nulls(["count", "no such column"]) == frozenset()
    (path, *_) = sorted(table.data.iterdir())
    path.write_bytes(path.read_bytes()[:-9])
    with pytest.raises(IntegrityError, match="cannot be read"):
        table.rows().nulls(names)

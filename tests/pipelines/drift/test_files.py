"""Files profiled row group by row group are what their rows are."""

import numpy as np
import pyarrow as pa
import pytest

from pipelines.drift.files import grid_of, profile_files
from pipelines.drift.profile import profile
from pipelines.errors import IntegrityError
from pipelines.storage.parquet import write_table

RANDOM = np.random.default_rng(3)
ROWS = 50_000
TABLE = pa.table(
    {
        "whole": RANDOM.integers(0, 500, ROWS),
        "decimal": pa.array(RANDOM.normal(size=ROWS), mask=RANDOM.random(ROWS) < 0.1),
        "word": pa.array(RANDOM.choice(["a", "b", None, "c"], ROWS), pa.string()),
    }
)
ROUGH = {"sum", "mean", "m2"}


@pytest.fixture
def files(tmp_path):
    paths = [tmp_path / f"{number}.parquet" for number in range(3)]
    for number, path in enumerate(paths):
        part = TABLE.slice(number * 20_000, 20_000)
        write_table(path, part, row_group_rows=3_000)
    return paths


def test_files_have_the_profile_of_their_rows(files):
    grid = grid_of(files)
    found, whole = profile_files(files, grid), profile(TABLE, grid)
    assert found["rows"] == ROWS
    for name, column in whole["columns"].items():
        for key, value in column.items():
            expected = pytest.approx(value) if key in ROUGH else value
            assert found["columns"][name][key] == expected, (name, key)


def test_some_columns(files):
    assert list(grid_of(files, ["word"]).columns) == ["word"]
    assert list(profile_files(files, grid_of(files), ["word"])["columns"]) == ["word"]


def test_the_grid_is_of_rows_of_all_files(files):
    assert grid_of(files) == grid_of(files)
    assert set(grid_of(files).columns["word"].values) == {"a", "b", "c"}


def test_no_files_have_no_rows():
    assert profile_files([], grid_of([])) == {"format": 2, "rows": 0, "columns": {}}


@pytest.mark.parametrize("content", [b"", b"PAR1 and so on"])
def test_a_file_that_cannot_be_read_is_named(tmp_path, content):
    path = tmp_path / "bad.parquet"
    path.write_bytes(content)
    with pytest.raises(IntegrityError, match=r"bad\.parquet"):
        grid_of([path])
    with pytest.raises(IntegrityError, match=r"bad\.parquet"):
        profile_files([tmp_path / "gone" / "bad.parquet"], grid_of([]))


def test_a_bit_that_flipped_is_found(files):
    content = bytearray(files[0].read_bytes())
    content[len(content) // 3] ^= 4
    files[0].write_bytes(content)
    with pytest.raises(IntegrityError):
        profile_files(files, grid_of(files[1:]))

"""Our own parquet: deterministic, checksummed, verified when read."""

import pyarrow as pa
import pytest
from support import flip_bit

from pipelines.errors import IntegrityError
from pipelines.storage.files import sha256_file
from pipelines.storage.parquet import read_table, write_table

TABLE = pa.table({"id": pa.array(range(5000), pa.int64()), "name": [f"row {n % 50}" for n in range(5000)]})


def test_what_is_written_is_read_back(tmp_path):
    write_table(tmp_path / "t.parquet", TABLE)
    assert read_table(tmp_path / "t.parquet").equals(TABLE)
    assert read_table(tmp_path / "t.parquet", ["name"]).column_names == ["name"]


def test_the_same_table_gives_the_same_bytes(tmp_path):
    for name in ("a", "b"):
        write_table(tmp_path / name, TABLE, row_group_rows=1000)
    assert sha256_file(tmp_path / "a") == sha256_file(tmp_path / "b")


@pytest.mark.parametrize(
    ("spoil", "columns", "said"),
    [
        (lambda path: path.unlink(), None, "cannot be read"),
        (lambda path: path.write_bytes(b""), None, "cannot be read"),
        (lambda path: flip_bit(path, 500), None, "CRC"),
        (lambda _: None, ["id", "price"], "lacks column price"),
    ],
    ids=["missing", "empty", "bit flipped", "column missing"],
)
def test_a_damaged_file_is_an_integrity_error(tmp_path, spoil, columns, said):
    path = tmp_path / "t.parquet"
    write_table(path, TABLE)
    spoil(path)
    with pytest.raises(IntegrityError, match=said) as caught:
        read_table(path, columns)
    assert "t.parquet" in str(caught.value)

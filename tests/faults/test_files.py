"""Bad input, files: cases 1-7, 17, 21 and 22 are each told by name, and quickly, before memory is gone."""

import json
import struct

import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from support import flip_bit

from pipelines.config.model import Validation
from pipelines.errors import DataError
from pipelines.storage.parquet import inspect, load, write_table

CAPS = Validation()
GOOD = pa.table({"n": pa.array(range(1000), pa.int32()), "x": [n / 7 for n in range(1000)], "s": ["a", "b"] * 500})


@pytest.fixture
def path(tmp_path):
    write_table(tmp_path / "2024-01-01.parquet", GOOD)
    return tmp_path / "2024-01-01.parquet"


def cut(path, keep):
    path.write_bytes(path.read_bytes()[:keep])


def csv(path):
    path.write_text("n,x,s\n1,2.0,a\n")


def json_file(path):
    path.write_text(json.dumps({"PAR1": "PAR1"}))


def forged_ends(path):
    path.write_bytes(b"PAR1" + b"\x00" * 100 + b"PAR1")


def forged_footer_length(path):
    path.write_bytes(path.read_bytes()[:-8] + struct.pack("<I", 2**31 - 1) + b"PAR1")


def doubled(path):
    pq.write_table(pa.Table.from_arrays([pa.array([1]), pa.array([2])], names=["n", "n"]), path)


def many_columns(path):
    pq.write_table(pa.table({f"c{n}": [1] for n in range(2001)}), path)


def nested(kind, value):
    return lambda path: pq.write_table(pa.table({"n": pa.array([value], kind)}), path)


def latin1(path):
    array = pa.Array.from_buffers(pa.string(), 1, pa.array([b"caf\xe9"]).buffers())
    pq.write_table(pa.table({"s": array}), path)


@pytest.mark.parametrize(
    ("spoil", "said"),
    [
        pytest.param(lambda path: cut(path, 0), "empty (0 bytes)", id="1 zero bytes"),
        pytest.param(lambda path: cut(path, path.stat().st_size // 2), "truncated", id="2 truncated in half"),
        pytest.param(lambda path: cut(path, path.stat().st_size - 1), "truncated", id="2 truncated by a byte"),
        pytest.param(lambda path: cut(path, 5), "truncated", id="2 truncated to the head"),
        pytest.param(csv, "not parquet: it begins with b'n,x,'", id="3 csv"),
        pytest.param(json_file, "not parquet", id="3 json"),
        pytest.param(lambda path: path.write_bytes(b"PAR1"), "truncated", id="3 mark alone"),
        pytest.param(forged_ends, "damaged", id="3 marks around nothing"),
        pytest.param(forged_footer_length, "damaged", id="5 footer length lies"),
        pytest.param(doubled, "column 'n' stands 2 times", id="17 column twice"),
        pytest.param(many_columns, "2001 columns, more than 2000", id="too many columns"),
        pytest.param(nested(pa.list_(pa.int64()), [1]), "column 'n' is nested (list<", id="21 list"),
        pytest.param(nested(pa.struct({"a": pa.int64()}), {"a": 1}), "is nested (struct<", id="21 struct"),
        pytest.param(nested(pa.map_(pa.string(), pa.int64()), [("a", 1)]), "is nested (map<", id="21 map"),
        pytest.param(latin1, "column 's': In chunk 0: Invalid: Invalid UTF8", id="22 not UTF-8"),
    ],
)
def test_a_wrong_file_is_told_by_name(path, spoil, said):
    spoil(path)
    before = path.read_bytes()
    with pytest.raises(DataError) as caught:
        inspect(path, CAPS)
    assert said in str(caught.value)
    assert path.name in str(caught.value)
    assert caught.value.exit_code == 3
    assert len(str(caught.value)) <= 300
    assert path.read_bytes() == before


def test_a_good_file_is_known_in_full(path):
    facts, table = load(path, CAPS)
    assert (facts.rows, facts.columns, facts.types) == (1000, ("n", "x", "s"), ("int32", "double", "string"))
    assert facts.bytes == path.stat().st_size
    assert table.equals(GOOD)


def answer(path):
    try:
        return load(path, CAPS)[1]
    except DataError as error:
        return str(error)


@pytest.mark.parametrize("part", ["pages", "footer"])
def test_one_flipped_bit_never_gives_other_values(path, part):
    """Case 4. Pages have checksums; a footer's bit breaks it, says nothing about values, or shows in names and types,
    which are judged against what the model declares.
    """
    good = path.read_bytes()
    footer = len(good) - 8 - struct.unpack("<I", good[-8:-4])[0]
    found = 0
    for number, byte in enumerate(range(4, footer, 23) if part == "pages" else range(footer, len(good), 17)):
        path.write_bytes(good)
        flip_bit(path, byte, bit=number % 8)
        got = answer(path)
        if isinstance(got, str):
            assert path.name in got
            found += 1
        elif got.schema == GOOD.schema:
            assert got.equals(GOOD)
    assert found > {"pages": 100, "footer": 20}[part]


@pytest.mark.parametrize(
    ("caps", "said"),
    [
        ({"max_bytes": 100}, "bytes, more than the cap of 100"),
        ({"max_rows": 999}, "1000 rows, more than the cap of 999"),
        ({"max_uncompressed_bytes": 1000}, "expands to"),
    ],
    ids=["7 bytes", "7 rows", "6 uncompressed"],
)
def test_caps_are_kept(path, caps, said):
    with pytest.raises(DataError, match=said):
        inspect(path, Validation(**caps))


def test_rows_and_expanded_size_are_read_from_the_footer_before_any_page(path):
    """Case 7: the pages are destroyed here, so that reading any of them would say `damaged`."""
    data = bytearray(path.read_bytes())
    data[4:2000] = bytes(1996)
    path.write_bytes(data)
    for caps in ({"max_rows": 999}, {"max_uncompressed_bytes": 5000}):
        with pytest.raises(DataError, match=r"more than the cap|expands to"):
            inspect(path, Validation(**caps))


def test_a_text_bomb_is_measured_before_it_goes_off(tmp_path):
    """Case 6: a megabyte of text, said 20,000 times by a dictionary, is 20 GB from a file of a few kB."""
    path = tmp_path / "2024-01-01.parquet"
    bomb = pa.DictionaryArray.from_arrays(pa.array([0] * 20_000, pa.int32()), pa.array(["x" * 2**20]))
    pq.write_table(pa.table({"s": bomb}), path, compression="zstd")
    assert path.stat().st_size < 100_000
    with pytest.raises(DataError, match="expands to"):
        inspect(path, CAPS)


def test_a_footer_that_lies_about_its_rows_is_found(tmp_path):
    """Case 5: the file's row count is 4 less than that of its pages."""
    path = tmp_path / "2024-01-01.parquet"
    pq.write_table(pa.table({"n": pa.array(range(1000), pa.int32())}), path, compression="none", use_dictionary=False)
    data = path.read_bytes()
    footer = len(data) - 8 - struct.unpack("<I", data[-8:-4])[0]
    thousand, less = bytes([0xD0, 0x0F]), bytes([0xC8, 0x0F])  # 1000 and 996 as zigzag varints
    path.write_bytes(data[:footer] + data[footer:].replace(thousand, less, 1))
    assert pq.read_metadata(path).num_rows == 996
    with pytest.raises(DataError, match="holds 1000 rows where its footer says 996"):
        inspect(path, CAPS)

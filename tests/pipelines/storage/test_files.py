"""Files are wholly there or not at all."""

import errno
import os
import sqlite3
from contextlib import suppress
from datetime import date

import pytest

from pipelines.errors import IntegrityError, PassingFault
from pipelines.storage import files


def test_json_is_the_same_bytes_for_the_same_value(tmp_path):
    files.write_json(tmp_path / "a.json", {"b": 1, "a": [date(2013, 1, 31), "é", None]})
    files.write_json(tmp_path / "b.json", {"a": [date(2013, 1, 31), "é", None], "b": 1})
    assert (tmp_path / "a.json").read_bytes() == (tmp_path / "b.json").read_bytes()
    assert files.read_json(tmp_path / "a.json") == {"a": ["2013-01-31", "é", None], "b": 1}


@pytest.mark.parametrize("value", [float("nan"), float("inf"), object(), {1, 2}])
def test_what_json_cannot_say_is_refused_and_nothing_is_written(tmp_path, value):
    with pytest.raises((TypeError, ValueError)):
        files.write_json(tmp_path / "a.json", {"x": value})
    assert list(tmp_path.iterdir()) == []


def test_hashes_agree(tmp_path):
    data = os.urandom(3 * files.BLOCK + 17)
    files.write_bytes(tmp_path / "x", data)
    assert files.sha256_file(tmp_path / "x") == files.sha256_bytes(data)


@pytest.mark.parametrize(("content", "said"), [(None, "is missing"), (b"{", "is not JSON"), (b"\xff", "is not JSON")])
def test_reading_json_that_is_not_there_names_the_file(tmp_path, content, said):
    path = tmp_path / "x.json"
    if content is not None:
        path.write_bytes(content)
    with pytest.raises(IntegrityError, match=said) as caught:
        files.read_json(path)
    assert "x.json" in str(caught.value)


def test_a_block_that_fails_leaves_the_file_as_it_was(tmp_path):
    path = tmp_path / "deep" / "x"
    files.write_bytes(path, b"old")
    with suppress(RuntimeError), files.atomic_file(path) as temporary:
        temporary.write_bytes(b"half of the n")
        raise RuntimeError
    assert path.read_bytes() == b"old"
    assert [item.name for item in path.parent.iterdir()] == ["x"]


def test_a_folder_takes_the_place_of_the_old_one_in_one_step(tmp_path):
    path = tmp_path / "out"
    for content in (b"one", b"two"):
        with files.atomic_folder(path) as temporary:
            (temporary / "sub").mkdir()
            (temporary / "sub" / content.decode()).write_bytes(content)
    assert [item.name for item in (path / "sub").iterdir()] == ["two"]
    with suppress(RuntimeError), files.atomic_folder(path) as temporary:
        (temporary / "half").touch()
        raise RuntimeError
    assert [item.name for item in (path / "sub").iterdir()] == ["two"]
    assert [item.name for item in tmp_path.iterdir()] == ["out"]


def test_a_full_disk_is_a_passing_fault_and_harms_nothing(tmp_path, monkeypatch):
    """Case 61: a full disk cannot be had without root, so the kernel's answer is given by hand."""
    path = tmp_path / "x"
    files.write_bytes(path, b"old")

    def full(handle):
        raise OSError(errno.ENOSPC, "No space left on device")

    monkeypatch.setattr(os, "fsync", full)
    with pytest.raises(PassingFault, match="no space left") as caught:
        files.write_bytes(path, b"new")
    assert caught.value.exit_code == 75
    assert path.read_bytes() == b"old"
    assert [item.name for item in tmp_path.iterdir()] == ["x"]


@pytest.mark.parametrize(
    "error", [OSError(errno.ENOSPC, "No space left on device"), sqlite3.OperationalError("database or disk is full")]
)
def test_a_full_disk_is_a_passing_fault_whoever_ran_into_it(error):
    with pytest.raises(PassingFault, match="no space left on the disk"), files.full_disk("home"):
        raise error


@pytest.mark.parametrize("error", [OSError(errno.EACCES, "denied"), sqlite3.OperationalError("no such table")])
def test_other_troubles_stay_what_they_are(error):
    with pytest.raises(type(error)), files.full_disk("home"):
        raise error

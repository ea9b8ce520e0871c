"""The lake is read, never written, and never followed through a link."""

import os
from pathlib import Path

import pytest

from pipelines.config.model import Table
from pipelines.config.settings import load
from pipelines.errors import ConfigError, PassingFault
from pipelines.storage import lake_folder
from pipelines.storage.files import sha256_bytes
from pipelines.storage.lake import PartitionMissing, PartitionRefused, Source

DAY = "2024-01-05"


def table(uri: str) -> Table:
    return Table.model_validate({"role": "events", "uri": uri, "key": ["id"], "time": "at"})


DAILY = table("orders/{date}.parquet")


@pytest.fixture
def source(tmp_path):
    (tmp_path / "lake/orders").mkdir(parents=True)
    (tmp_path / f"lake/orders/{DAY}.parquet").write_bytes(b"bytes of the day")
    return Source(load({"EVERGREEN_HOME": str(tmp_path)}))


@pytest.fixture
def target(tmp_path):
    return tmp_path / "copy.parquet"


def test_a_partition_is_copied_and_hashed_and_the_source_stays_as_it_is(source, target):
    path = Path(source.where(DAILY, DAY))
    before = path.stat()
    fetched = source.fetch(DAILY, DAY, target, 100)
    assert (fetched.sha256, fetched.bytes, fetched.whole) == (sha256_bytes(b"bytes of the day"), 16, True)
    assert fetched.source == f"orders/{DAY}.parquet"
    assert target.read_bytes() == b"bytes of the day"
    after = path.stat()
    assert (after.st_mtime_ns, after.st_mode, after.st_ino) == (before.st_mtime_ns, before.st_mode, before.st_ino)


def test_an_absolute_uri_is_read_where_it_says(tmp_path, target):
    (tmp_path / "other/2024").mkdir(parents=True)
    (tmp_path / f"other/2024/day-{DAY}.parquet").write_bytes(b"x")
    fetched = Source(load({"EVERGREEN_LAKE": "/nowhere"})).fetch(
        table(f"{tmp_path}/other/2024/day-{{date}}.parquet"), DAY, target, 100
    )
    assert fetched.bytes == 1


def test_more_than_the_cap_is_hashed_but_not_copied(source, target):
    fetched = source.fetch(DAILY, DAY, target, 5)
    assert (fetched.sha256, fetched.bytes, fetched.whole) == (sha256_bytes(b"bytes of the day"), 16, False)
    assert target.read_bytes() == b"bytes"


@pytest.mark.parametrize("day", ["2024-01-06", "2023-12-31"])
def test_a_partition_that_is_not_there_is_missing(source, target, day):
    with pytest.raises(PartitionMissing, match=day) as caught:
        source.fetch(DAILY, day, target, 100)
    assert caught.value.exit_code == 3
    assert not target.exists()


def link_file(path: Path):
    path.rename(path.with_suffix(".real"))
    path.symlink_to(path.with_suffix(".real"))


def link_folder(path: Path):
    path.parent.rename(path.parent.with_name("elsewhere"))
    path.parent.symlink_to(path.parent.with_name("elsewhere"))


def make_folder(path: Path):
    path.unlink()
    path.mkdir()


def make_pipe(path: Path):
    path.unlink()
    os.mkfifo(path)


@pytest.mark.parametrize("spoil", [link_file, link_folder, make_folder, make_pipe])
def test_what_is_no_ordinary_file_is_refused(source, target, spoil):
    """Case 48, and a pipe, on which a reader would wait for ever."""
    spoil(Path(source.where(DAILY, DAY)))
    with pytest.raises(PartitionRefused) as caught:
        source.fetch(DAILY, DAY, target, 100)
    assert caught.value.exit_code == 3
    assert not target.exists()


@pytest.mark.parametrize(
    "partition",
    [
        "../2024-01-05",
        "2024-01-05/../../x",
        "2024-1-5",
        "2024-01-05\n",
        "2024-01-05\0",
        "２０２４-01-05",
        "",
        "x" * 999,
    ],
)
def test_an_illegal_partition_name_never_becomes_a_path(source, target, partition):
    """Cases 47 and 49."""
    with pytest.raises(ConfigError):
        source.fetch(DAILY, partition, target, 100)


@pytest.mark.parametrize(
    "uri",
    [
        "http://evil.example/{date}",
        "file:///etc/{date}",
        "s3://{date}/x",
        "S3://bucket/{date}",
        "a\nb/{date}",
        "a\0/{date}",
    ],
)
def test_a_uri_that_is_no_path_in_a_folder_is_refused(source, target, uri):
    """Cases 49 and 56: nothing is ever asked of another host."""
    with pytest.raises(ConfigError):
        source.fetch(table(uri), DAY, target, 100)


def test_a_file_that_changes_while_it_is_read_is_a_passing_fault(source, target, monkeypatch):
    """Case 12: the delivery is still going on."""
    copy = lake_folder._copy

    def slow(file, temporary, cap):
        result = copy(file, temporary, cap)
        with Path(source.where(DAILY, DAY)).open("ab") as still_writing:
            still_writing.write(b" and more")
        return result

    monkeypatch.setattr(lake_folder, "_copy", slow)
    with pytest.raises(PassingFault, match="changed while"):
        source.fetch(DAILY, DAY, target, 100)

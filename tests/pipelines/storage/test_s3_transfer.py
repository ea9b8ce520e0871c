"""Reading and putting objects while the server and the way to it misbehave."""

from __future__ import annotations

import hashlib
import subprocess
import sys
import time
from dataclasses import replace
from pathlib import Path

import pytest
import stories

from pipelines.errors import IntegrityError, PassingFault
from pipelines.storage import s3_read, s3_write
from pipelines.storage.s3_faults import Busy, ObjectMissing, Taken

CONTENT = bytes(range(256)) * (3 << 12)


@pytest.fixture
def file(tmp_path: Path) -> Path:
    path = tmp_path / "file"
    path.write_bytes(CONTENT)
    return path


@pytest.fixture
def in_parts(monkeypatch: pytest.MonkeyPatch) -> None:
    """Parts of a megabyte, for every file."""
    monkeypatch.setattr(s3_write, "SINGLE_BYTES", 0)
    monkeypatch.setattr(s3_write, "PART_BYTES", 1 << 20)


def test_an_object_is_copied_and_hashed(buckets, tmp_path):
    buckets.put(buckets.at("x"), CONTENT)
    for algorithm in ("sha256", "md5"):
        copied = s3_read.fetch(buckets.s3, buckets.at("x"), tmp_path / "copy", algorithm=algorithm)
        assert copied.digest == hashlib.new(algorithm, CONTENT).hexdigest()
        assert (copied.bytes, copied.etag) == (len(CONTENT), buckets.s3.head(buckets.at("x")).etag)
        assert (tmp_path / "copy").read_bytes() == CONTENT


@pytest.mark.parametrize("cap", [0, 1, 1 << 20, (1 << 20) + 1, 3 << 20, 9 << 20])
def test_no_more_than_the_cap_is_kept_and_all_is_hashed(buckets, tmp_path, cap):
    buckets.put(buckets.at("x"), CONTENT)
    copied = s3_read.fetch(buckets.s3, buckets.at("x"), tmp_path / "copy", cap=cap)
    assert (copied.bytes, copied.digest) == (len(CONTENT), hashlib.sha256(CONTENT).hexdigest())
    assert (tmp_path / "copy").read_bytes() == CONTENT[:cap]


def test_an_empty_object_is_an_empty_file(buckets, tmp_path):
    buckets.put(buckets.at("x"), b"")
    assert s3_read.fetch(buckets.s3, buckets.at("x"), tmp_path / "copy").bytes == 0
    assert (tmp_path / "copy").read_bytes() == b""


def test_what_is_not_there_is_missing(buckets, tmp_path):
    with pytest.raises(ObjectMissing, match="no such object"):
        s3_read.fetch(buckets.s3, buckets.at("x"), tmp_path / "copy")


@pytest.mark.parametrize("mode", ["error", "reset", "truncate", "blackout"])
def test_a_read_goes_on_where_it_broke_off(shaky, tmp_path, mode):
    buckets, faults = shaky
    buckets.put(buckets.at("x"), CONTENT)
    faults.set(mode=mode, method="GET", limit=2, upto=(1 << 20) + 5000)
    copied = s3_read.fetch(buckets.s3, buckets.at("x"), tmp_path / "copy")
    assert faults.count == 2
    assert copied.digest == hashlib.sha256(CONTENT).hexdigest()
    assert (tmp_path / "copy").read_bytes() == CONTENT


@pytest.mark.parametrize("mode", ["error", "reset", "truncate", "blackout"])
def test_a_read_that_never_succeeds_is_a_passing_fault_soon(shaky, tmp_path, mode):
    buckets, faults = shaky
    buckets.put(buckets.at("x"), CONTENT)
    faults.set(mode=mode, method="GET")
    began = time.monotonic()
    with pytest.raises(PassingFault, match=faults.endpoint):
        s3_read.fetch(buckets.s3, buckets.at("x"), tmp_path / "copy")
    assert faults.count == 3
    assert time.monotonic() - began < 20


def test_a_server_that_says_nothing_is_given_up(shaky, tmp_path):
    buckets, faults = shaky
    settings = replace(buckets.settings, s3=replace(buckets.settings.s3, read_seconds=1, attempts=2))
    faults.set(mode="hold", method="GET")
    with pytest.raises(PassingFault, match="ReadTimeoutError"):
        s3_read.fetch(replace(buckets, settings=settings).s3, buckets.at("x"), tmp_path / "copy")


def test_what_is_replaced_between_two_parts_of_a_read_is_a_passing_fault(shaky, tmp_path, monkeypatch):
    """Never the first half of one version and the second of another."""
    buckets, faults = shaky
    buckets.put(buckets.at("x"), CONTENT)
    faults.set(mode="truncate", method="GET", limit=1, upto=2 << 20)
    monkeypatch.setattr(s3_read, "pause", lambda _: buckets.put(buckets.at("x"), CONTENT[::-1]))
    with pytest.raises(PassingFault, match="changed while it was being read"):
        s3_read.fetch(buckets.s3, buckets.at("x"), tmp_path / "copy")


def test_a_file_is_put_once(buckets, file):
    assert s3_write.put_new(buckets.s3, buckets.at("x"), file)
    assert buckets.get(buckets.at("x")) == CONTENT
    assert not s3_write.put_new(buckets.s3, buckets.at("x"), file)


def test_an_empty_file_is_put(buckets, file):
    file.write_bytes(b"")
    assert s3_write.put_new(buckets.s3, buckets.at("x"), file)
    assert buckets.get(buckets.at("x")) == b""


@pytest.mark.parametrize("other", [b"other", CONTENT[:-1] + b"?"])
def test_other_bytes_that_stand_there_stay(buckets, file, other):
    buckets.put(buckets.at("x"), other)
    with pytest.raises(IntegrityError, match="holds other bytes already"):
        s3_write.put_new(buckets.s3, buckets.at("x"), file)
    assert buckets.get(buckets.at("x")) == other


def test_a_file_that_is_not_what_its_md5_says_is_never_put(buckets, file):
    with pytest.raises(IntegrityError, match="holds other bytes than its md5 says"):
        s3_write.put_new(buckets.s3, buckets.at("x"), file, md5="0" * 32)
    assert buckets.s3.head(buckets.at("x")) is None


def test_the_md5_travels_with_the_file(buckets, file):
    sent = []
    events = buckets.s3.client.meta.events
    events.register_last("before-send.s3.PutObject", lambda request, **_: sent.append(request.headers), "test")
    s3_write.put_new(buckets.s3, buckets.at("x"), file)
    events.unregister("before-send.s3.PutObject", unique_id="test")
    assert sent[0]["Content-MD5"]
    assert sent[0]["If-None-Match"] == b"*"
    assert not [name for name in sent[0] if "checksum" in name.lower() or "trailer" in name.lower()]


@pytest.mark.parametrize("mode", ["error", "reset", "blackout"])
def test_a_put_heals(shaky, file, mode):
    buckets, faults = shaky
    faults.set(mode=mode, method="PUT", limit=2)
    s3_write.put_new(buckets.s3, buckets.at("x"), file)
    assert faults.count == 2
    assert buckets.get(buckets.at("x")) == CONTENT


def test_a_put_whose_every_answer_is_lost_is_looked_up(shaky, file):
    """The server takes it each time, and each time we hear of nothing."""
    buckets, faults = shaky
    faults.set(mode="reset", method="PUT")
    assert not s3_write.put_new(buckets.s3, buckets.at("x"), file)
    assert faults.count == 3
    assert buckets.get(buckets.at("x")) == CONTENT


def test_after_a_lost_answer_another_writers_bytes_are_seen(shaky, file):
    buckets, faults = shaky
    buckets.put(buckets.at("x"), b"other")
    faults.set(mode="reset", method="PUT")
    with pytest.raises(IntegrityError, match="holds other bytes already"):
        s3_write.put_new(buckets.s3, buckets.at("x"), file)


def test_a_put_that_never_succeeds_is_a_passing_fault_and_leaves_nothing(shaky, file):
    buckets, faults = shaky
    faults.set(mode="error", method="PUT")
    with pytest.raises(PassingFault, match="503 SlowDown"):
        s3_write.put_new(buckets.s3, buckets.at("x"), file)
    assert buckets.s3.head(buckets.at("x")) is None


def test_while_another_writes_it_we_wait_our_turn(shaky, file):
    buckets, faults = shaky
    faults.set(mode="error", method="PUT", status=409, limit=2)
    assert s3_write.put_new(buckets.s3, buckets.at("x"), file)
    assert faults.count == 2


def test_a_large_file_goes_in_parts(buckets, file, in_parts):
    assert s3_write.put_new(buckets.s3, buckets.at("x"), file)
    assert buckets.get(buckets.at("x")) == CONTENT
    assert buckets.s3.head(buckets.at("x")).etag.endswith("-3")
    assert not s3_write.put_new(buckets.s3, buckets.at("x"), file)
    assert buckets.uploads(buckets.at()) == []


def test_other_bytes_stay_though_parts_were_sent(buckets, file, in_parts, monkeypatch):
    """Another writer is first while ours are on their way."""
    send = s3_write._send

    def late(s3, place, *rest):
        parts = send(s3, place, *rest)
        buckets.put(place, b"other")
        return parts

    monkeypatch.setattr(s3_write, "_send", late)
    with pytest.raises(IntegrityError, match="holds other bytes already"):
        s3_write.put_new(buckets.s3, buckets.at("x"), file)
    assert buckets.get(buckets.at("x")) == b"other"
    assert buckets.uploads(buckets.at()) == []


def test_what_a_killed_predecessor_left_of_this_object_is_removed_and_nothing_else(buckets, file, in_parts):
    for name in ("x", "x2"):
        place = buckets.at(name)
        buckets.s3.client.create_multipart_upload(Bucket=place.bucket, Key=place.key)
    s3_write.put_new(buckets.s3, buckets.at("x"), file)
    assert buckets.uploads(buckets.at()) == [buckets.at("x2").key]


CHILD = """
import sys
from pathlib import Path
from pipelines.config import settings
from pipelines.storage import s3_write
from pipelines.storage.s3 import S3, S3Place
s3_write.SINGLE_BYTES, s3_write.PART_BYTES = 0, 1 << 20
s3_write.put_new(S3.open(settings.load()), S3Place.parse(sys.argv[1], "test"), Path(sys.argv[2]))
"""


def test_the_retry_of_a_killed_upload_leaves_one_object_and_no_parts(shaky, file, in_parts):
    buckets, faults = shaky
    place = buckets.at("x")
    faults.set(mode="hold", path="partNumber=2")
    env = stories.environment(buckets.settings) | buckets.environment()
    with subprocess.Popen([sys.executable, "-c", CHILD, str(place), str(file)], env=env) as child:
        deadline = time.monotonic() + 60
        while not faults.count:
            assert child.poll() is None
            assert time.monotonic() < deadline
            time.sleep(0.05)
        child.kill()
    faults.set(mode="blackout")  # what was held is cut off too, not let through
    faults.set(mode="pass")
    assert buckets.uploads(place) == [place.key]
    assert buckets.s3.head(place) is None
    assert s3_write.put_new(buckets.s3, place, file)
    assert buckets.uploads(place) == []
    assert buckets.get(place) == CONTENT


@pytest.mark.parametrize("error", [KeyboardInterrupt, MemoryError, OSError])
def test_an_upload_that_is_broken_off_is_aborted(buckets, file, in_parts, monkeypatch, error):
    complete = buckets.s3.client.upload_part

    def breaks(**given):
        if given["PartNumber"] == 2:
            raise error
        return complete(**given)

    monkeypatch.setattr(buckets.s3.client, "upload_part", breaks)
    with pytest.raises(error):
        s3_write.put_new(buckets.s3, buckets.at("x"), file)
    assert buckets.uploads(buckets.at()) == []
    assert buckets.s3.head(buckets.at("x")) is None


@pytest.mark.parametrize(("method", "path"), [("PUT", "partNumber=2"), ("POST", "uploads"), ("POST", "uploadId")])
@pytest.mark.parametrize("mode", ["error", "reset", "blackout"])
def test_parts_heal_or_leave_nothing(shaky, file, in_parts, mode, method, path):
    buckets, faults = shaky
    faults.set(mode=mode, method=method, path=path, limit=2)
    s3_write.put_new(buckets.s3, buckets.at("x"), file)
    assert buckets.get(buckets.at("x")) == CONTENT
    faults.set(mode=mode, method=method, path=path)
    try:
        s3_write.put_new(buckets.s3, buckets.at("y"), file)
    except PassingFault:
        assert buckets.s3.head(buckets.at("y")) is None
    else:  # each completion was taken, and its answer lost
        assert (mode, path) == ("reset", "uploadId")
        assert buckets.get(buckets.at("y")) == CONTENT
    faults.set(mode="pass")
    s3_write.put_new(buckets.s3, buckets.at("y"), file)
    assert buckets.get(buckets.at("y")) == CONTENT
    assert buckets.uploads(buckets.at("y")) == []


def test_an_upload_that_another_ended_is_begun_again(buckets, file, in_parts, monkeypatch):
    """Two retries of one stage at once: each takes the other for killed."""
    send, ended = s3_write._send, []

    def once(s3, place, source, target):
        if not ended:
            ended.append(target["UploadId"])
            s3.client.abort_multipart_upload(**target)
            raise Busy("NoSuchUpload, by the test")  # moto answers 500 here, real servers 404
        return send(s3, place, source, target)

    monkeypatch.setattr(s3_write, "_send", once)
    assert s3_write.put_new(buckets.s3, buckets.at("x"), file)
    assert buckets.get(buckets.at("x")) == CONTENT


def test_a_condition_that_does_not_hold_while_nothing_stands_there_passes(buckets, file, monkeypatch):
    def taken(*_):
        raise Taken("by the test")

    monkeypatch.setattr(s3_write, "_single", taken)
    with pytest.raises(PassingFault, match="by the test"):
        s3_write.put_new(buckets.s3, buckets.at("x"), file)

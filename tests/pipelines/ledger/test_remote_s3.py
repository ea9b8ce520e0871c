"""The DVC remote on S3: what DVC itself reads, sent once, seen after, and never believed unseen."""

from __future__ import annotations

import os
import subprocess
import sys
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path

import pytest
import stories
from botocore.exceptions import EndpointConnectionError
from buckets import KEY, SECRET, Buckets, md5

from pipelines.errors import ConfigError, IntegrityError, PassingFault
from pipelines.ledger.remote_s3 import S3Remote
from pipelines.ledger.store import Store
from pipelines.storage.s3 import S3Place

DVC = str(Path(sys.executable).with_name("dvc"))


class Desk:
    """A store whose remote is on S3, and files for it."""

    def __init__(self, buckets: Buckets, root: Path) -> None:
        self.buckets, self.root = buckets, root
        self.store = Store.open(buckets.settings, root / "data", scm=False)

    def add(self, *contents: bytes) -> list[str]:
        """Files into the cache; their md5."""
        files = {}
        for content in contents:
            oid = md5(content)
            files[oid] = self.root / oid
            files[oid].write_bytes(content)
        self.store.add(files)
        return list(files)

    def at(self, oid: str) -> S3Place:
        """Where DVC keeps an object."""
        return self.buckets.at("files", "md5", oid[:2], oid[2:], setting="dvc_remote")

    def forget(self, *oids: str) -> None:
        """As on another machine: the cache is without them."""
        for oid in oids:
            self.store.cached(oid).unlink()


@pytest.fixture
def desk(buckets: Buckets, tmp_path: Path) -> Iterator[Desk]:
    desk = Desk(buckets, tmp_path)
    yield desk
    desk.store.close()


@pytest.fixture
def shaky_desk(shaky, tmp_path: Path):
    desk = Desk(shaky[0], tmp_path)
    yield desk, shaky[1]
    desk.store.close()


def test_objects_lie_where_dvc_keeps_them_and_come_back_read_only(desk):
    one, two = desk.add(b"one", b"two")
    folder, size = desk.store.add_folder({"1.parquet": (one, 3), "2.parquet": (two, 3)})
    desk.store.push([one, two, folder])
    assert desk.buckets.get(desk.at(one)) == b"one"
    assert desk.at(folder).key.endswith(".dir")
    assert size == 6
    desk.forget(one, two, folder)
    assert desk.store.folder(folder) == {"1.parquet": one, "2.parquet": two}
    desk.store.fetch([one, two])
    assert desk.store.cached(two).read_bytes() == b"two"
    assert desk.store.cached(two).stat().st_mode & 0o777 == 0o444


def test_what_is_there_is_not_sent_again(desk):
    oids = desk.add(b"one", b"two")
    desk.store.push(oids)
    sent = []
    events = desk.buckets.s3.client.meta.events
    events.register("before-send.s3.PutObject", lambda request, **_: sent.append(request.url), "test")
    desk.forget(oids[0])  # and what only the remote has is no error
    desk.store.push(oids)
    events.unregister("before-send.s3.PutObject", unique_id="test")
    assert sent == []


def test_files_are_there_before_the_directory_that_lists_them(desk, monkeypatch):
    oids = desk.add(*[b"%d" % number for number in range(20)])
    folder, _ = desk.store.add_folder({str(number): (oid, 1) for number, oid in enumerate(oids)})
    put, order = S3Remote._push, []

    def watched(self, oid):
        put(self, oid)
        order.append(oid)

    monkeypatch.setattr(S3Remote, "_push", watched)
    desk.store.push([folder, *oids])
    assert order[-1] == folder
    assert set(order) == {folder, *oids}


def test_an_object_in_neither_place_is_an_integrity_error(desk):
    with pytest.raises(IntegrityError, match="neither in the cache nor there"):
        desk.store.push(["0" * 32])
    with pytest.raises(IntegrityError, match="is not there"):
        desk.store.fetch(["0" * 32])


def test_other_bytes_never_reach_the_cache(desk):
    (oid,) = desk.add(b"one")
    desk.store.push([oid])
    desk.forget(oid)
    desk.buckets.put(desk.at(oid), b"two")
    with pytest.raises(IntegrityError, match="other bytes than its name says"):
        desk.store.fetch([oid])
    assert not desk.store.cached(oid).exists()
    assert list(desk.store.cached(oid).parent.iterdir()) == []
    assert desk.buckets.get(desk.at(oid)) == b"two", "the remote is never mended by guessing"


def test_another_size_there_is_told_and_kept(desk):
    (oid,) = desk.add(b"one")
    desk.buckets.put(desk.at(oid), b"longer")
    with pytest.raises(IntegrityError, match="6 bytes there, 3 here"):
        desk.store.push([oid])
    assert desk.buckets.get(desk.at(oid)) == b"longer"


def test_a_spoilt_cache_is_never_pushed(desk):
    (oid,) = desk.add(b"one")
    desk.store.cached(oid).chmod(0o644)
    desk.store.cached(oid).write_bytes(b"two")
    with pytest.raises(IntegrityError, match="other bytes than its md5 says"):
        desk.store.push([oid])
    assert desk.buckets.s3.head(desk.at(oid)) is None


@pytest.mark.parametrize("mode", ["error", "reset", "truncate", "blackout"])
def test_push_and_fetch_heal(shaky_desk, mode):
    desk, faults = shaky_desk
    oids = desk.add(*[b"%d" % number * 5000 for number in range(12)])
    faults.set(mode=mode, path="/", share=0.3, limit=2)  # fewer than attempts: whoever they hit gets over them
    desk.store.push(oids)
    desk.forget(*oids)
    desk.store.fetch(oids)
    assert faults.count == 2
    assert [md5(desk.store.cached(oid).read_bytes()) for oid in oids] == oids


@pytest.mark.parametrize("mode", ["error", "blackout"])
def test_away_is_a_passing_fault_naming_the_endpoint_and_no_key(shaky_desk, mode):
    desk, faults = shaky_desk
    oids = desk.add(*[b"%d" % number for number in range(30)])
    faults.set(mode=mode)
    for act in (desk.store.push, desk.store.fetch):
        with pytest.raises(PassingFault, match=faults.endpoint) as caught:
            act(oids if act == desk.store.push else ["0" * 32])
        assert KEY not in caught.value.line()
        assert SECRET not in caught.value.line()
    assert faults.requests < 100, "after the first fault no other object is begun"


def test_no_such_bucket_names_the_setting(desk):
    elsewhere = replace(desk.buckets.settings, dvc_remote="s3://no-such-bucket/dvc")
    store = Store.open(elsewhere, desk.root / "other", scm=False)
    with pytest.raises(ConfigError, match="EVERGREEN_DVC_REMOTE"):
        store.push(desk.add(b"one"))
    store.close()


def test_a_remote_that_is_no_place_names_the_setting(desk):
    with pytest.raises(ConfigError, match="EVERGREEN_DVC_REMOTE"):
        Store.open(replace(desk.buckets.settings, dvc_remote="s3://x/../y"), desk.root / "other", scm=False)


def test_what_is_taken_and_vanishes_is_seen(desk, monkeypatch):
    from pipelines.storage import s3_write

    monkeypatch.setattr(s3_write, "put_new", lambda *_, **__: True)
    with pytest.raises(IntegrityError, match="is not there"):
        desk.store.push(desk.add(b"one"))


def test_a_fault_of_one_thread_is_the_fault_of_all(desk, monkeypatch):
    def away(*_, **__):
        raise EndpointConnectionError(endpoint_url="http://x")

    monkeypatch.setattr(desk.buckets.s3.client, "head_object", away)
    with pytest.raises(PassingFault, match="EndpointConnectionError"):
        desk.store.push(desk.add(b"one", b"two"))


CHILD = """
import sys
from pathlib import Path
from pipelines.config import settings
from pipelines.ledger.store import Store
store = Store.open(settings.load(), Path(sys.argv[1]), scm=False)
store.fetch(sys.argv[2:])
store.push(sys.argv[2:])
print(sorted({name.split(".")[0] for name in sys.modules} & {"s3fs", "aiobotocore", "aiohttp", "boto3", "pandas"}))
"""


def test_dvcs_own_client_is_never_imported_and_dvc_reads_what_we_wrote(desk, tmp_path):
    """The import alone takes a second a stage."""
    (oid,) = desk.add(b"one")
    desk.store.push([oid])
    desk.forget(oid)
    env = stories.environment(desk.buckets.settings) | desk.buckets.environment()
    argv = [sys.executable, "-c", CHILD, str(tmp_path / "data"), oid]
    assert subprocess.run(argv, env=env, capture_output=True, text=True, check=True).stdout == "[]\n"


def test_the_config_names_the_place_of_the_keys_and_no_key(desk):
    text = (desk.root / "data" / ".dvc" / "config").read_text()
    assert f"endpointurl = {desk.buckets.settings.s3.endpoint}\n" in text
    assert f"credentialpath = {desk.buckets.settings.secrets / 'aws-credentials'}\n" in text
    assert KEY not in text
    assert SECRET not in text


def test_dvc_pulls_with_its_own_client_what_we_pushed_and_we_what_it_pushed(desk, tmp_path):
    """Both ways, with a config as the one in a workspace: DVC finds the address and the keys in it."""
    clone = tmp_path / "clone"
    env = {name: value for name, value in os.environ.items() if not name.startswith("AWS_")}

    def dvc(*words: str) -> None:
        done = subprocess.run([DVC, *words], cwd=clone, env=env, capture_output=True, text=True, check=False)
        assert done.returncode == 0, done.stderr

    one, two = desk.add(b"one", b"two")
    folder, _ = desk.store.add_folder({"1": (one, 3), "2": (two, 3)})
    desk.store.push([one, two, folder])
    (clone / ".dvc").mkdir(parents=True)
    config = (desk.root / "data" / ".dvc" / "config").read_text()
    (clone / ".dvc" / "config").write_text(config.replace(str(desk.buckets.settings.cache), str(tmp_path / "theirs")))
    (clone / "day.dvc").write_text(f"outs:\n- md5: {folder}\n  hash: md5\n  path: day\n")
    dvc("pull")
    assert [(clone / "day" / name).read_bytes() for name in "12"] == [b"one", b"two"]
    (clone / "theirs").write_bytes(b"three")
    dvc("add", "theirs")
    dvc("push")
    desk.store.fetch([md5(b"three")])
    assert desk.store.cached(md5(b"three")).read_bytes() == b"three"

"""The remote's objects and their shelf, in a folder and on S3: put away, put back, forgotten."""

from __future__ import annotations

import time
from pathlib import Path

import pytest

from pipelines.config.settings import Settings
from pipelines.errors import ConfigError, IntegrityError
from pipelines.ledger.objects import Objects, open_objects
from pipelines.ledger.store import Store

LONG = 1e12


@pytest.fixture(params=["settings", "buckets"], ids=["folder", "s3"])
def home(request: pytest.FixtureRequest) -> Settings:
    found = request.getfixturevalue(request.param)
    return found if isinstance(found, Settings) else found.settings


@pytest.fixture
def store(home: Settings, tmp_path: Path):
    opened = Store.open(home, tmp_path / "data", scm=False)
    yield opened
    opened.close()


@pytest.fixture
def oid(store: Store, tmp_path: Path) -> str:
    """An object in the remote, and in no cache."""
    from buckets import md5

    (tmp_path / "file").write_bytes(b"an object")
    store.add({md5(b"an object"): tmp_path / "file"})
    store.push([md5(b"an object")])
    store.cached(md5(b"an object")).unlink()
    return md5(b"an object")


def names(objects: Objects) -> tuple[list[str], list[str]]:
    return [item.oid for item in objects.listed()], [item.oid for item in objects.shelved()]


def test_to_the_shelf_and_back(home, oid):
    objects = open_objects(home)
    found = next(iter(objects.listed()))
    assert (found.oid, found.bytes) == (oid, 9)
    assert abs(found.since - time.time()) < 3600
    assert not objects.shelve(oid, before=0), "it is younger"
    assert objects.shelve(oid, before=LONG)
    assert names(objects) == ([], [oid])
    assert not objects.shelve(oid, before=LONG), "it is there already"
    assert objects.restore(oid)
    assert names(objects) == ([oid], [])
    assert not objects.restore(oid)


def test_what_was_sent_again_meanwhile_stays(home, oid, store, tmp_path):
    objects = open_objects(home)
    objects.shelve(oid, before=LONG)
    store.add({oid: tmp_path / "file"})
    store.push([oid])
    assert names(objects) == ([oid], [oid])
    assert objects.restore(oid)
    assert names(objects) == ([oid], [])


def test_a_reader_finds_it_on_the_shelf(home, oid, store):
    open_objects(home).shelve(oid, before=LONG)
    store.fetch([oid])
    assert store.cached(oid).read_bytes() == b"an object"
    assert names(open_objects(home)) == ([oid], [])


def test_forgotten_and_erased_is_gone(home, oid, store):
    objects = open_objects(home)
    objects.shelve(oid, before=LONG)
    objects.forget(oid)
    assert names(objects) == ([], [])
    with pytest.raises(IntegrityError, match="not there"):
        store.fetch([oid])
    objects.erase(oid)
    objects.forget(oid)


def test_another_kind_of_place_is_refused(settings):
    from dataclasses import replace

    with pytest.raises(ConfigError, match="EVERGREEN_DVC_REMOTE"):
        open_objects(replace(settings, dvc_remote="ssh://somewhere/else"))

"""Publishing partitions: revisions, no-ops, going on top of others, and bytes that are proven."""

from __future__ import annotations

import shutil
import signal
import subprocess
import time
from concurrent.futures import ThreadPoolExecutor
from dataclasses import replace
from datetime import date
from pathlib import Path

import pytest

from pipelines.errors import InputError, IntegrityError, PassingFault
from pipelines.ledger.data import Arrival, build_window, load_grids, load_manifest, load_profiles, publish
from pipelines.ledger.manifest import Partition

DAY = date(2024, 1, 1)


def stored(world):
    """Every object in the remote."""
    return [path for path in Path(world.settings.dvc_remote).rglob("*") if path.is_file()]


def test_bytes_manifest_and_profile_arrive_together(world):
    head = world.publish(*world.days(3))
    manifest = load_manifest(world.fresh(), head)
    item = manifest.latest("orders", "2024-01-01")
    assert (item.revision, item.path) == (1, "lake/orders/2024-01/2024-01-01.parquet")
    assert manifest.days("orders") == [date(2024, 1, n) for n in (1, 2, 3)]
    assert manifest.find_sha("orders", item.sha256) == item
    assert world.ledger.tree(head, "manifest") == ["manifest/orders/2024-01.json", "manifest/skies/2024-01.json"]
    assert load_profiles(world.ledger, [item]) == [{"rows": 3}]
    assert (Path(world.settings.dvc_remote) / "files" / "md5" / item.md5[:2] / item.md5[2:]).is_file()


def test_dvc_itself_reads_what_was_published(world, tmp_path):
    world.publish(*world.days(2))
    world.publish(world.arrival("orders", DAY, b"corrected"))
    subprocess.run(["git", "clone", "-q", str(world.bare), str(tmp_path / "clone")], check=True)
    from dvc.repo import Repo

    with Repo(str(tmp_path / "clone")) as repo:
        repo.pull()
        assert repo.status() == {}
    month = tmp_path / "clone" / "lake" / "orders" / "2024-01"
    assert sorted(path.name for path in month.iterdir()) == [
        "2024-01-01.parquet", "2024-01-01.r2.parquet", "2024-01-02.parquet",
    ]  # fmt: skip
    assert (month / "2024-01-01.r2.parquet").read_bytes() == b"corrected"


def test_the_same_again_changes_nothing(world):
    arrivals = world.days(2)
    head = world.publish(*arrivals)
    before = len(stored(world))
    assert world.publish(*arrivals) == head
    assert world.publish(*world.days(2)) == head
    assert len(stored(world)) == before


def test_other_bytes_are_a_new_revision_and_the_old_stay(world):
    world.publish(world.arrival("orders", DAY, b"first"))
    world.publish(world.arrival("orders", DAY, b"second"))
    head = world.publish(world.arrival("orders", DAY, b"third"))
    revisions = list(load_manifest(world.ledger, head))
    assert [item.path.rpartition("/")[2] for item in revisions] == [
        "2024-01-01.parquet", "2024-01-01.r2.parquet", "2024-01-01.r3.parquet",
    ]  # fmt: skip
    assert load_manifest(world.ledger).accepted("orders", "2024-01-01").revision == 3


def test_a_quarantined_arrival_leaves_its_verdict_and_no_bytes(world):
    head = world.publish(world.arrival("orders", DAY, None, reasons=("delay is null",)))
    manifest = load_manifest(world.ledger, head)
    assert manifest.latest("orders", "2024-01-01").reasons == ("delay is null",)
    assert manifest.accepted("orders", "2024-01-01") is None
    assert manifest.days("orders") == []
    assert stored(world) == []
    assert world.ledger.tree(head, "lake") == []


def test_a_bad_correction_leaves_the_accepted_revision_in_use(world):
    world.publish(world.arrival("orders", DAY, b"good"))
    world.publish(world.arrival("orders", DAY, None))
    manifest = load_manifest(world.ledger)
    assert manifest.latest("orders", "2024-01-01").verdict == "quarantined"
    assert manifest.accepted("orders", "2024-01-01").revision == 1


def test_the_same_bytes_judged_anew_keep_their_revision(world):
    bad = world.arrival("orders", DAY, None)
    world.publish(bad)
    good = world.arrival("orders", DAY, b"bad", suite="s2")  # `bad` is what the quarantined sha256 is of
    head = world.publish(good)
    assert [(p.revision, p.verdict, p.suite) for p in load_manifest(world.ledger, head)] == [(1, "accepted", "s2")]
    again = Arrival(replace(bad.partition, suite="s3"))
    head = world.publish(again)
    item = load_manifest(world.ledger, head).latest("orders", "2024-01-01")
    assert (item.verdict, item.path) == ("quarantined", "lake/orders/2024-01/2024-01-01.parquet")


def test_two_publishers_at_once_both_arrive(world):
    def take(number):
        return publish(world.settings, world.fresh(), world.days(1, start=number), "Ingest")

    with ThreadPoolExecutor(4) as pool:
        list(pool.map(take, range(6)))
    assert len(load_manifest(world.fresh()).days("orders")) == 6


def test_what_came_between_stays_and_ours_goes_on_top(world, monkeypatch):
    from pipelines.ledger.store import Store

    push, calls = Store.push, []

    def meanwhile(self, oids):
        push(self, oids)
        if not calls:
            calls.append(1)
            ledger = world.fresh()
            old = ledger.read("data", "manifest/orders/2024-01.json")
            ledger.commit("data", {"note": old or b"-"}, "Meanwhile", parent=ledger.head("data"))

    world.publish(*world.days(1))
    monkeypatch.setattr(Store, "push", meanwhile)
    head = world.publish(*world.days(1, start=1))
    assert calls
    assert world.ledger.read(head, "note")
    assert len(load_manifest(world.ledger, head).days("orders")) == 2


def test_a_file_that_changed_after_its_check_is_refused(world):
    arrival = world.arrival("orders", DAY, b"judged")
    arrival.file.write_bytes(b"altered")
    head = world.ledger.head("data")
    with pytest.raises(IntegrityError, match="ingest it again"):
        world.publish(arrival)
    assert world.fresh().head("data") == head
    assert stored(world) == []


@pytest.mark.parametrize(
    ("field", "value"),
    [("table", "../x"), ("partition", "../../etc"), ("partition", "2024-13-01"), ("verdict", "maybe"), ("table", "A")],
)
def test_names_that_would_leave_the_lake_are_refused(world, field, value):
    arrival = world.arrival("orders", DAY, b"x")
    arrival.partition = replace(arrival.partition, **{field: value})
    with pytest.raises(InputError):
        world.publish(arrival)
    assert stored(world) == []


def test_an_accepted_partition_needs_bytes_and_a_quarantined_one_has_none(world):
    good, bad = world.arrival("orders", DAY, b"x"), world.arrival("orders", DAY, None)
    with pytest.raises(InputError):
        world.publish(Arrival(good.partition))
    with pytest.raises(InputError):
        world.publish(Arrival(bad.partition, good.file))


def test_a_ledger_away_changes_nothing(world, tmp_path):
    head = world.publish(*world.days(1))
    world.bare.rename(tmp_path / "away")
    with pytest.raises(PassingFault):
        world.publish(*world.days(1, start=1))
    (tmp_path / "away").rename(world.bare)
    assert world.fresh().head("data") == head
    world.publish(*world.days(1, start=1))
    assert len(load_manifest(world.ledger).days("orders")) == 2


def test_a_remote_that_cannot_be_written_changes_nothing(world):
    head = world.publish(*world.days(1))
    remote = Path(world.settings.dvc_remote)
    kept = remote.rename(remote.with_name("kept"))
    remote.write_text("not a folder")
    with pytest.raises(PassingFault):
        world.publish(*world.days(1, start=1))
    assert world.fresh().head("data") == head
    remote.unlink()
    kept.rename(remote)
    world.publish(*world.days(1, start=1))


KILLED = """
import os, signal, sys
from datetime import date
from pathlib import Path
from pipelines.config import settings
from pipelines.ledger import Ledger
from pipelines.ledger import data, git, store

where = sys.argv[1]
def die(*a, **k): os.kill(os.getpid(), signal.SIGKILL)
if where == "before-bytes": store.Store.push = die
if where == "before-ref": git.Ledger.push = die
if where == "after-ref":
    push = git.Ledger.push
    git.Ledger.push = lambda *a: (push(*a), die())
import hashlib
file = Path(sys.argv[2])
content = file.read_bytes()
sha256 = hashlib.sha256(content).hexdigest()
partition = data.Partition("orders", "2024-01-09", 0, "", sha256, "", 3, len(content), "s", "e", "accepted", "s1")
s = settings.load()
print(data.publish(s, Ledger.open(s, "tiny"), [data.Arrival(partition, file)], "Ingest"))
"""


@pytest.mark.parametrize("where", ["before-bytes", "before-ref", "after-ref"])
def test_killed_and_run_again_it_happens_once(world, child, where):
    head = world.publish(*world.days(1))
    file = world.files / "late.parquet"
    file.write_bytes(b"late")
    argv = child(KILLED)
    killed = subprocess.run([*argv, where, str(file)], capture_output=True, text=True, check=False)
    assert killed.returncode == -signal.SIGKILL, killed.stderr
    assert (world.fresh().head("data") == head) == (where != "after-ref")
    again = subprocess.run([*argv, "whole", str(file)], capture_output=True, text=True, check=False)
    assert again.returncode == 0, again.stderr
    ledger = world.fresh()
    assert [p.revision for p in load_manifest(ledger) if p.partition == "2024-01-09"] == [1]
    assert len(ledger.log("data")) == 3


def test_the_window_names_what_is_missing_and_what_was_quarantined(world):
    world.publish(*world.days(40))
    world.publish(world.arrival("orders", date(2024, 2, 5), b"newer", suite="s1"))
    manifest = load_manifest(world.ledger)
    manifest.put(replace(manifest.latest("skies", "2024-02-05"), verdict="quarantined", reasons=("too wet",)))
    window = build_window(manifest, world.params())
    assert (window["first"], window["last"]) == ("2024-01-02", "2024-02-05")
    assert [(q["table"], q["partition"], q["reasons"]) for q in window["quarantined"]] == [
        ("skies", "2024-02-05", ["too wet"])
    ]
    assert window["missing"] == [{"table": "shops", "partition": "static"}]
    paths = [item["path"] for item in window["partitions"]]
    assert len(paths) == 35 + 34
    assert "lake/orders/2024-02/2024-02-05.r2.parquet" in paths
    assert paths == sorted(paths, key=lambda path: (path.split("/")[1], path.split("/")[3]))


def test_a_static_table_is_one_partition(world):
    file = world.files / "shops.parquet"
    shutil.copy(world.tiny.path("shops"), file)
    arrival = world.arrival("shops", DAY, file.read_bytes())
    arrival.partition = replace(arrival.partition, partition="static")
    head = world.publish(arrival)
    assert load_manifest(world.ledger, head).accepted("shops", "static").path == "lake/shops/static/static.parquet"
    assert world.ledger.tree(head, "lake") == ["lake/shops/static.dvc"]


def test_a_spoilt_manifest_is_named(world):
    world.publish(*world.days(1))
    text = world.ledger.read("data", "manifest/orders/2024-01.json").replace(b"lake/orders/2024-01/", b"../../etc/")
    world.ledger.commit("data", {"manifest/orders/2024-01.json": text}, "Spoil", parent=world.ledger.head("data"))
    with pytest.raises(IntegrityError, match="is no partition"):
        load_manifest(world.ledger)


def test_120_days_of_two_tables_take_seconds(world):
    arrivals = world.days(120)
    began = time.monotonic()
    world.publish(*arrivals)
    assert time.monotonic() - began < 20  # measured: 1.9 s alone on two cores
    assert len(load_manifest(world.ledger).days("skies")) == 120


def test_partitions_survive_their_json_form(world):
    item = world.arrival("orders", DAY, b"x", reasons=("a",), warnings=("b", "c")).partition
    assert Partition.from_dict(item.to_dict()) == item


def test_the_cache_is_a_copy_of_its_own(world):
    arrival = world.arrival("orders", DAY, b"mine")
    world.publish(arrival)
    arrival.file.write_bytes(b"changed afterwards")
    md5 = load_manifest(world.ledger).latest("orders", "2024-01-01").md5
    assert (world.settings.cache / "files" / "md5" / md5[:2] / md5[2:]).read_bytes() == b"mine"
    assert arrival.file.stat().st_nlink == 1


def test_what_the_remote_was_given_is_synced_before_the_ledger_names_it(world, monkeypatch):
    from pipelines.ledger import remotes

    real, head, synced = remotes._sync, world.ledger.head("data"), []

    def sync(paths):
        synced.extend(paths := list(paths))
        assert world.fresh().head("data") == head
        real(paths)

    monkeypatch.setattr(remotes, "_sync", sync)
    world.publish(*world.days(1))
    assert sorted(synced) == sorted(stored(world))


def test_the_first_grid_of_a_table_stays(world):
    """It comes with the first profiles; whoever made another one meanwhile gives way."""
    assert load_grids(world.ledger, ["orders"]) == {}
    first, second = world.days(2)[::2]
    publish(world.settings, world.ledger, [first], "Ingest", grids={"orders": {"n": 1}})
    publish(world.settings, world.ledger, [second], "Ingest", grids={"orders": {"n": 2}, "skies": {"n": 3}})
    assert load_grids(world.fresh(), ["orders", "skies", "none"]) == {"orders": {"n": 1}, "skies": {"n": 3}}

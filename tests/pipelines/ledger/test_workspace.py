"""Workspaces: reused, restored, published once, fenced, and proof against being killed."""

from __future__ import annotations

import json
import shutil
import signal
import subprocess
import threading
from dataclasses import replace
from datetime import UTC, datetime
from pathlib import Path

import pytest
import yaml

from pipelines.errors import InputError, IntegrityError, LeaseHeld, PassingFault
from pipelines.ledger import champion, lease, runs
from pipelines.ledger.champion import Champion, ChampionWindow, Reason
from pipelines.ledger.lockfile import Pipeline
from pipelines.ledger.locks import locked
from pipelines.ledger.outs import fetch_files
from pipelines.ledger.workspace import Workspace
from pipelines.storage.files import sha256_bytes

RUN, OTHER = "2024-02-05-20260101T000000Z-abcdef", "2024-02-05-20260102T000000Z-123456"


@pytest.fixture
def stocked(world):
    world.publish(*world.days(40))
    world.open_run()
    return world


def opened(world, run_id=RUN, **more):
    return Workspace.open(world.settings, world.fresh(), run_id, **more)


def snapshot(root: Path, text: str = "proven") -> None:
    folder = root / "out" / "snapshot"
    shutil.rmtree(folder, ignore_errors=True)
    folder.mkdir(parents=True)
    (folder / "snapshot.json").write_text(json.dumps({"digest": text}))
    (folder / "more.txt").write_text("more")


def evaluate(root: Path) -> None:
    folder = root / "out" / "evaluate"
    shutil.rmtree(folder, ignore_errors=True)
    (folder / "plots").mkdir(parents=True)
    (folder / "report.html").write_text("<p>fine</p>")
    (folder / "plots" / "roc.csv").write_text("x,y\n0,0\n")
    (folder / "metrics.json").write_text('{"auc": 0.7}\n')


def done(world, run_id=RUN, **more):
    """Both stages of a run, done and published; the branch's head."""
    with opened(world, run_id, **more) as space:
        for stage, body in (("snapshot", snapshot), ("evaluate", evaluate)):
            space.prepare(stage)
            body(space.root)
            space.publish(stage, {"stage": stage})
        return space.head


def test_a_commit_is_read_in_one_go_and_its_stages_each_in_one_more(stocked, monkeypatch):
    head = done(stocked)
    ledger, asked = stocked.fresh(), []
    read = type(ledger).read_many
    monkeypatch.setattr(type(ledger), "read_many", lambda it, wanted: asked.append(1) or read(it, wanted))
    pipeline = Pipeline(ledger, head)
    for _ in range(2):
        assert all(pipeline.finished(stage) for stage in ("snapshot", "evaluate"))
    assert pipeline.read("out/evaluate/metrics.json") == b'{"auc": 0.7}\n'
    assert len(asked) == 3


def test_two_stages_become_two_commits(stocked):
    begun = stocked.ledger.head(f"run/{RUN}")
    head = done(stocked)
    ledger = stocked.fresh()
    assert ledger.log(f"run/{RUN}")[2] == begun
    assert set(yaml.safe_load(ledger.read(head, "dvc.lock"))["stages"]) == {"snapshot", "evaluate"}
    assert ledger.read(head, "out/evaluate/metrics.json") == b'{"auc": 0.7}\n'
    assert ledger.read(head, "out/evaluate/report.html") is None
    told = subprocess.run(["git", "log", "-1", "--format=%B", head], cwd=stocked.bare, capture_output=True, text=True)  # noqa: PLW1510
    assert told.stdout.startswith(f'evaluate of tiny, run {RUN}\n\n{{"stage": "evaluate"}}\n\nStage: evaluate\n')
    with opened(stocked) as space:
        assert space.finished("snapshot")
        assert space.finished("evaluate")
        status = subprocess.run(["git", "status", "--porcelain"], cwd=space.root, capture_output=True, check=True)
        assert status.stdout == b""


def test_dvc_itself_agrees_on_a_clone_of_the_tag(stocked, tmp_path):
    done(stocked)
    runs.finish(stocked.fresh(), RUN)
    clone = tmp_path / "clone"
    subprocess.run(
        ["git", "clone", "-q", "--branch", f"runs/{RUN}", str(stocked.bare), str(clone)],
        check=True,
        capture_output=True,
    )
    from dvc.repo import Repo

    with Repo(str(clone)) as repo:
        repo.pull()
        assert repo.status() == {}
        assert repo.metrics.show()[""]["data"]["out/evaluate/metrics.json"]["data"] == {"auc": 0.7}
    assert (clone / "out" / "evaluate" / "plots" / "roc.csv").is_file()


def test_the_lake_is_pulled_as_listed_and_read_only(stocked):
    with opened(stocked) as space:
        window = json.loads((space.root / "window.json").read_text())
        path = window["partitions"][0]["path"]
        space.pull_lake([path])
        assert [str(p.relative_to(space.root)) for p in space.root.glob("lake/*/*/*.parquet")] == [path]
        space.pull_lake()
        for item in window["partitions"]:
            assert sha256_bytes((space.root / item["path"]).read_bytes()) == item["sha256"]
        assert (space.root / path).stat().st_mode & 0o222 == 0
        with pytest.raises(InputError, match="not in the window"):
            space.pull_lake(["../../etc/passwd"])


@pytest.mark.parametrize("mode", [0o644, 0o444])  # DVC trusts whatever is read-only
def test_a_flipped_bit_in_the_remote_is_found(stocked, mode):
    item = json.loads(stocked.ledger.read(f"run/{RUN}", "window.json"))["partitions"][5]
    name = f"files/md5/{item['md5'][:2]}/{item['md5'][2:]}"
    stored = Path(stocked.settings.dvc_remote, name)
    content = bytearray(stored.read_bytes())
    content[7] ^= 1
    stored.chmod(0o644)
    stored.write_bytes(content)
    stored.chmod(mode)
    (stocked.settings.cache / name).unlink()
    with opened(stocked) as space, pytest.raises(IntegrityError, match="other bytes than its name says"):
        space.pull_lake()
    assert not (stocked.settings.cache / name).exists()
    assert stored.read_bytes() == content  # evidence stays
    stored.unlink()
    with opened(stocked) as space, pytest.raises(IntegrityError, match="is not there"):
        space.pull_lake()


def test_a_remote_that_is_away_is_a_passing_fault(stocked):
    shutil.rmtree(stocked.settings.cache)
    remote = Path(stocked.settings.dvc_remote)
    remote.rename(remote.with_name("away"))
    with opened(stocked) as space, pytest.raises(PassingFault, match="is away"):
        space.pull_lake()
    remote.with_name("away").rename(remote)
    with opened(stocked) as space:
        space.pull_lake()


def test_the_folder_of_a_finished_stage_is_reused(stocked):
    with opened(stocked) as space:
        snapshot(space.root)
        space.publish("snapshot")
        mark = space.root / "out" / "snapshot" / "more.txt"
        inode = mark.stat().st_ino
    with opened(stocked) as space:
        space.prepare("evaluate")
        assert mark.stat().st_ino == inode


def test_a_fresh_clone_gets_what_earlier_stages_made(stocked):
    with opened(stocked) as space:
        snapshot(space.root)
        space.publish("snapshot")
        root = space.root
    shutil.rmtree(root)
    shutil.rmtree(stocked.settings.cache)
    with opened(stocked) as space:
        assert space.finished("snapshot")
        space.prepare("evaluate")
        assert (root / "out" / "snapshot" / "more.txt").read_text() == "more"
        assert not list(root.glob("lake/*/*/*.parquet"))  # evaluate reads none of it


def test_rubbish_in_the_folder_does_not_get_in(stocked):
    with opened(stocked) as space:
        snapshot(space.root)
        space.publish("snapshot")
        (space.root / "params.yaml").write_text("changed: true\n")
        (space.root / "dvc.lock").write_text("stages: {snapshot:")
        (space.root / "stray.txt").write_text("x")
        (space.root / ".git" / "index.lock").write_text("")
        (space.root / "out" / "snapshot" / "more.txt").unlink()
        (space.root / "out" / "snapshot" / "more.txt").write_text("wrong")
    with opened(stocked) as space:
        assert not (space.root / "stray.txt").exists()
        space.prepare("evaluate")
        assert (space.root / "out" / "snapshot" / "more.txt").read_text() == "more"
    shutil.rmtree(space.root / ".git" / "refs")
    with opened(stocked) as space:
        assert space.finished("snapshot")


def test_publishing_again_changes_nothing(stocked):
    with opened(stocked) as space:
        snapshot(space.root)
        head = space.publish("snapshot")
        assert space.publish("snapshot") == head
    with opened(stocked) as space:
        space.prepare("snapshot")
        snapshot(space.root)
        assert space.publish("snapshot") == head


def test_the_run_cache_gives_back_what_the_same_inputs_made(stocked):
    with opened(stocked) as space:
        assert not space.restore("snapshot")
        snapshot(space.root)
        space.publish("snapshot")
        evaluate(space.root)
        space.publish("evaluate")
    stocked.open_run(OTHER)
    with opened(stocked, OTHER) as space:
        assert not space.finished("snapshot")
        assert space.restore("snapshot")
        space.publish("snapshot")
        space.prepare("evaluate")
        assert space.restore("evaluate")
        assert (space.root / "out" / "evaluate" / "metrics.json").read_text() == '{"auc": 0.7}\n'
        space.publish("evaluate")
        assert space.finished("evaluate")


def test_other_code_never_gets_a_stale_result(stocked):
    done(stocked)
    (stocked.project / "pipelines" / "stages" / "evaluate.py").write_text("NAME = 'changed'\n")
    moved = replace(stocked, project=stocked.project.rename(stocked.project.with_name("project-2")))
    moved.open_run(OTHER)
    with opened(stocked, OTHER) as space:
        assert space.restore("snapshot")
        space.publish("snapshot")
        space.prepare("evaluate")
        assert not space.restore("evaluate")


def test_a_stage_that_left_an_out_away_is_refused(stocked):
    with opened(stocked) as space:
        snapshot(space.root)
        head = space.publish("snapshot")
        evaluate(space.root)
        (space.root / "out" / "evaluate" / "report.html").unlink()
        with pytest.raises(IntegrityError, match=r"evaluate made no out/evaluate/report\.html"):
            space.publish("evaluate")
    assert stocked.fresh().head(f"run/{RUN}") == head


def test_an_input_that_changed_under_a_stage_is_refused(stocked):
    with opened(stocked) as space:
        snapshot(space.root)
        head = space.publish("snapshot")
        evaluate(space.root)
        snapshot(space.root, "other")
        with pytest.raises(IntegrityError, match="out/snapshot is not what snapshot made"):
            space.publish("evaluate")
    assert stocked.fresh().head(f"run/{RUN}") == head


def test_a_stage_waits_for_those_before(stocked):
    with opened(stocked) as space, pytest.raises(IntegrityError, match="stage snapshot is not finished"):
        space.prepare("evaluate")


def test_two_processes_never_share_it(stocked):
    held, over = threading.Event(), threading.Event()

    def hold():
        with opened(stocked):
            held.set()
            over.wait(30)

    thread = threading.Thread(target=hold)
    thread.start()
    assert held.wait(30)
    with pytest.raises(LeaseHeld, match="another process is at work on run"):
        opened(stocked)
    over.set()
    thread.join()
    opened(stocked).close()


def test_the_lock_of_a_dead_process_is_free(tmp_path, child):
    script = "import sys; from pathlib import Path; from pipelines.ledger.locks import locked\n"
    script += "with locked(Path(sys.argv[1])): print('held', flush=True); import time; time.sleep(60)"
    process = subprocess.Popen([*child(script), str(tmp_path / "x.lock")], stdout=subprocess.PIPE)
    try:
        assert process.stdout.readline() == b"held\n"
        with pytest.raises(LeaseHeld):
            locked(tmp_path / "x.lock", seconds=0).__enter__()
    finally:
        process.kill()
        process.communicate()
    with locked(tmp_path / "x.lock", seconds=0):
        pass


def test_who_lost_the_lease_cannot_publish(stocked):
    mine = lease.acquire(stocked.ledger, RUN, 600)
    with opened(stocked, fencing=mine) as space:
        snapshot(space.root)
        head = space.publish("snapshot")
        message = subprocess.run(
            ["git", "log", "-1", "--format=%(trailers:key=Fencing)", head],
            cwd=stocked.bare,
            capture_output=True,
            check=True,
        )
        assert message.stdout.strip() == b"Fencing: 1"
        evaluate(space.root)
        lease.acquire(stocked.ledger, OTHER, 600, now=datetime(2100, 1, 1, tzinfo=UTC))
        with pytest.raises(LeaseHeld, match=f"it is with {OTHER}"):
            space.publish("evaluate")
    assert stocked.fresh().head(f"run/{RUN}") == head


def test_the_server_itself_refuses_a_stale_number(stocked, monkeypatch):
    mine = lease.acquire(stocked.ledger, RUN, 600)
    with opened(stocked, fencing=mine) as space:
        snapshot(space.root)
        lease.acquire(stocked.ledger, OTHER, 600, now=datetime(2100, 1, 1, tzinfo=UTC))
        monkeypatch.setattr("pipelines.ledger.workspace.lease.check", lambda *_: None)  # taken just after we looked
        with pytest.raises(LeaseHeld, match="took the lease meanwhile"):
            space.publish("snapshot")
        monkeypatch.undo()
        with pytest.raises(LeaseHeld):
            Workspace.publish(replace(space, fencing=None), "snapshot")
    assert yaml.safe_load(stocked.fresh().read(f"run/{RUN}", "dvc.lock") or b"") is None


def test_a_ledger_away_leaves_the_run_as_it_was(stocked, tmp_path):
    head = stocked.ledger.head(f"run/{RUN}")
    with opened(stocked) as space:
        snapshot(space.root)
        stocked.bare.rename(tmp_path / "away")
        with pytest.raises(PassingFault):
            space.publish("snapshot")
        with pytest.raises(PassingFault):
            opened(stocked)
        (tmp_path / "away").rename(stocked.bare)
        assert stocked.fresh().head(f"run/{RUN}") == head
        space.publish("snapshot")
        assert space.finished("snapshot")


def test_the_champion_comes_along_verified(stocked, tmp_path):
    files = {
        "out/snapshot/snapshot.json": "model.json",
        "params.yaml": "params.yaml",
        "out/evaluate/metrics.json": "metrics.json",
    }
    done(stocked)
    runs.finish(stocked.fresh(), RUN)
    ledger = stocked.fresh()
    fetch_files(stocked.settings, ledger, f"runs/{RUN}", {path: tmp_path / name for path, name in files.items()})
    assert json.loads((tmp_path / "model.json").read_text()) == {"digest": "proven"}
    assert (tmp_path / "metrics.json").read_text() == '{"auc": 0.7}\n'
    with pytest.raises(IntegrityError, match="is not in out/snapshot"):
        fetch_files(stocked.settings, ledger, f"runs/{RUN}", {"out/snapshot/none": tmp_path / "none"})
    with pytest.raises(IntegrityError, match="no finished stage made it"):
        fetch_files(stocked.settings, ledger, f"runs/{RUN}", {"out/train/release.json": tmp_path / "none"})


def test_a_champion_whose_run_is_gone_is_named(stocked):
    window = ChampionWindow(as_of="2024-02-05", train=("2024-01-10", "2024-01-30"), test=("2024-01-31", "2024-02-04"))
    standing = Champion(
        version=1, run=RUN, model_sha256="0" * 64, since=datetime(2026, 1, 1, tzinfo=UTC), reason=Reason(kind="first"),
        window=window,
    )  # fmt: skip
    champion.promote(stocked.ledger, standing, None)
    stocked.open_run(OTHER)
    with opened(stocked, OTHER) as space:
        assert json.loads((space.root / "champion" / "champion.json").read_text())["champion"]["version"] == 1
        with pytest.raises(IntegrityError, match="champion's run is not in the ledger"):
            space.pull_champion()
    with opened(stocked) as space:
        assert space.pull_champion() is None


KILLED = """
import os, signal, sys
from pathlib import Path
from pipelines.config import settings
from pipelines.ledger import Ledger, git, store, lease
from pipelines.ledger.workspace import Workspace

where, run = sys.argv[1:3]
def die(*a, **k): os.kill(os.getpid(), signal.SIGKILL)
def dying_after(cls, name):
    real = getattr(cls, name)
    setattr(cls, name, lambda *a, **k: (real(*a, **k), die()))
s = settings.load()
number = lease.acquire(Ledger.open(s, "tiny"), run, 600)
space = Workspace.open(s, Ledger.open(s, "tiny"), run, fencing=number)
if space.finished("snapshot"):
    print("finished")
    sys.exit()
space.prepare("snapshot")
folder = space.root / "out" / "snapshot"
folder.mkdir(parents=True, exist_ok=True)
(folder / "snapshot.json").write_text("{}")
if where == "in-stage": die()
if where == "in-lock":
    from dvc.stage import PipelineStage
    PipelineStage.save = die
if where == "half-lock":
    from dvc.stage import PipelineStage
    lock = space.root / "dvc.lock"
    PipelineStage.dump = lambda self, **k: (lock.write_text("schema: '2.0'\\nstages:\\n  snap"), die())
if where == "before-bytes": store.Store.push = die
if where == "after-bytes": dying_after(store.Store, "push")
if where == "before-ref": git.Ledger.push = die
if where == "after-ref": dying_after(git.Ledger, "push")
space.publish("snapshot")
print("published")
"""


@pytest.mark.parametrize(
    "where", ["in-stage", "in-lock", "half-lock", "before-bytes", "after-bytes", "before-ref", "after-ref"]
)
def test_killed_anywhere_and_run_again_it_is_published_once(stocked, child, where):
    begun = stocked.ledger.head(f"run/{RUN}")
    argv = child(KILLED)
    killed = subprocess.run([*argv, where, RUN], capture_output=True, text=True, check=False)
    assert killed.returncode == -signal.SIGKILL, killed.stderr
    again = subprocess.run([*argv, "", RUN], capture_output=True, text=True, check=False)
    assert again.returncode == 0, again.stderr
    assert again.stdout == ("finished\n" if where == "after-ref" else "published\n")
    ledger = stocked.fresh()
    assert len(ledger.log(f"run/{RUN}")) == len(ledger.log("data")) + 2
    assert ledger.is_ancestor(begun, ledger.head(f"run/{RUN}"))
    with opened(stocked) as space:
        assert space.finished("snapshot")


def test_a_strange_run_is_refused(stocked):
    with pytest.raises(InputError, match="there is no run"):
        opened(stocked, OTHER)
    with pytest.raises(InputError):
        opened(stocked, "../../x")

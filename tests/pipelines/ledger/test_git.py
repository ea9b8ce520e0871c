"""The ledger's refs: what moves them, what never does, and what a lost answer or a lost ledger means."""

from __future__ import annotations

import os
import shutil
import signal
import subprocess
import sys
import time
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import pytest

from pipelines.config.settings import child_environment
from pipelines.errors import ConfigError, ExitCode, InputError, LeaseHeld, PassingFault, PushRefused
from pipelines.ledger import Ledger
from pipelines.ledger.command import GitFailed
from pipelines.ledger.locks import locked

ROOT = Path(__file__).parents[3]
RUN = "2024-02-05-20260101T000000Z-abcdef"


def push(world, spec, *flags):
    """A push by a stranger with plain Git and force; what the server said."""
    done = subprocess.run(
        ["git", "push", "--force", *flags, str(world.bare), spec],
        cwd=world.ledger.mirror,
        capture_output=True,
        text=True,
        check=False,
    )
    return done.returncode, done.stderr


def test_a_new_ledger_says_what_it_is(world):
    assert world.ledger.read("data", "ledger.json") == b'{\n "format": 1,\n "model": "tiny"\n}\n'
    assert b"verify = true" in world.ledger.read("data", ".dvc/config")
    assert world.ledger.head("champion") is None


def test_creating_twice_at_once_makes_one(settings):
    with ThreadPoolExecutor(8) as pool:
        heads = set(pool.map(lambda _: Ledger.open(settings, "shared", create=True).head("data"), range(8)))
    assert len(heads) == 1
    assert [path.name for path in Path(settings.ledgers).iterdir()] == ["shared.git"]


def test_no_ledger_yet_names_the_remedy(settings):
    with pytest.raises(InputError, match="evergreen ingest flights") as error:
        Ledger.open(settings, "flights")
    assert error.value.exit_code is ExitCode.INPUT
    assert not Path(settings.ledgers).exists()


@pytest.mark.parametrize("name", ["../flights", "a/b", "", "Flights", "a\nb", "а", "x" * 80, "--upload-pack=x"])
def test_names_that_would_leave_the_folder_are_refused(settings, name):
    with pytest.raises(ConfigError):
        Ledger.open(settings, name, create=True)
    assert not Path(settings.ledgers).exists()


@pytest.mark.parametrize("path", ["../x", "/etc/passwd", "a/../../b", "a\nb", "", ".git/config", "a\0b"])
def test_paths_that_would_leave_the_tree_are_refused(world, path):
    head = world.ledger.head("data")
    with pytest.raises(InputError):
        world.ledger.commit("data", {path: b"x"}, "Try", parent=head)
    assert world.fresh().head("data") == head


def test_commit_read_tree_and_delete(world):
    head = world.ledger.head("data")
    one = world.ledger.commit("data", {"a/b.json": b"1\n", "c": b"\x00\xff"}, "Add", parent=head)
    two = world.ledger.commit("data", {"c": None}, "Remove", parent=one)
    assert world.ledger.read(one, "c") == b"\x00\xff"
    assert world.ledger.read("data", "c") is None
    assert world.ledger.tree(two, "a") == ["a/b.json"]
    assert world.ledger.log("data") == [two, one, head]
    assert world.ledger.read_many([(one, "a/b.json"), ("champion", "x")]) == {
        (one, "a/b.json"): b"1\n",
        ("champion", "x"): None,
    }


def test_what_was_pushed_is_known_without_asking_the_server_again(world, monkeypatch):
    head = world.ledger.head("data")
    monkeypatch.setattr(Ledger, "_fetch", None)
    one = world.ledger.commit("data", {"a": b"1"}, "One", parent=head)
    world.ledger.commit(f"run/{RUN}", {"b": b"1"}, "Begin", parent=None, base=one)
    world.ledger.tag(f"runs/{RUN}", one)
    assert world.ledger.head("data") == world.ledger.head(f"runs/{RUN}") == one
    assert world.ledger.read(f"run/{RUN}", "b") == b"1"


def test_a_mirror_that_has_heard_of_more_meanwhile_keeps_it(world, monkeypatch):
    head, newer = world.ledger.head("data"), []
    exchange = Ledger._exchange

    def overtaken(ledger, *arguments, **more):
        exchange(ledger, *arguments, **more)
        if arguments[0] == "push" and not newer:
            newer.append(None)
            pushed = arguments[-1].partition(":")[0]
            newer[0] = world.fresh().commit("data", {"b": b"2"}, "Two", parent=pushed)

    monkeypatch.setattr(Ledger, "_exchange", overtaken)
    world.ledger.commit("data", {"a": b"1"}, "One", parent=head)
    assert world.ledger.head("data") == newer[0]


def test_a_second_writer_on_the_same_parent_is_refused(world):
    head = world.ledger.head("data")
    other = world.fresh()
    world.ledger.commit("data", {"a": b"1"}, "One", parent=head)
    with pytest.raises(PushRefused):
        other.commit("data", {"a": b"2"}, "Two", parent=head)
    assert other.read("data", "a") == b"1"


def test_of_many_writers_on_one_parent_one_wins(world):
    head = world.ledger.head("data")

    def write(number):
        try:
            return Ledger.open(world.settings, "tiny").commit("data", {"a": b"%d" % number}, "Race", parent=head)
        except PushRefused:
            return None

    with ThreadPoolExecutor(8) as pool:
        won = [commit for commit in pool.map(write, range(12)) if commit]
    assert len(won) == 1
    assert world.fresh().head("data") == won[0]


def test_the_hook_refuses_what_plain_git_would_allow(world):
    head = world.ledger.head("data")
    newer = world.ledger.commit("data", {"a": b"1"}, "More", parent=head)
    world.ledger.tag(f"runs/{RUN}", newer)
    for spec, flags in [
        (f"{head}:refs/heads/data", ()),
        (f"{head}:refs/tags/runs/{RUN}", ()),
        (f":refs/tags/runs/{RUN}", ()),
        (":refs/heads/data", ()),
        (f"{newer}:refs/heads/main", ()),
        (f"{newer}:refs/tags/v1", ()),
        (f"{newer}:refs/heads/run/a/b", ()),
        (f"{newer}:refs/notes/x", ()),
        (f"{newer}^{{tree}}:refs/tags/runs/x", ()),
    ]:
        code, said = push(world, spec, *flags)
        assert code != 0, (spec, said)
    ledger = world.fresh()
    assert ledger.head("data") == newer
    assert ledger.tags() == {f"runs/{RUN}": newer}


def test_a_tag_is_set_once_and_never_moves(world):
    head = world.ledger.head("data")
    newer = world.ledger.commit("data", {"a": b"1"}, "More", parent=head)
    world.ledger.tag(f"runs/{RUN}", head)
    world.ledger.tag(f"runs/{RUN}", head)
    with pytest.raises(PushRefused):
        world.ledger.tag(f"runs/{RUN}", newer)


def test_a_ledger_that_was_there_and_is_away_is_a_passing_fault(world, tmp_path):
    head = world.ledger.head("data")
    world.bare.rename(tmp_path / "elsewhere")
    for attempt in (
        lambda: Ledger.open(world.settings, "tiny"),
        lambda: Ledger.open(world.settings, "tiny", create=True),
        lambda: world.ledger.commit("data", {"a": b"1"}, "More", parent=head),
        world.ledger.fetch,
    ):
        with pytest.raises(PassingFault) as error:
            attempt()
        assert error.value.exit_code is ExitCode.PASSING
        assert len(error.value.line()) <= 300
    (tmp_path / "elsewhere").rename(world.bare)
    assert world.fresh().head("data") == head


def test_an_answer_that_got_lost_is_read_back(world, monkeypatch):
    head = world.ledger.head("data")
    from pipelines.ledger import git as module

    real = module.git

    def lossy(folder, *arguments, **more):
        answer = real(folder, *arguments, **more)
        if arguments[0] == "push":
            raise GitFailed("push", "the remote end hung up unexpectedly")
        return answer

    monkeypatch.setattr(module, "git", lossy)
    commit = world.ledger.commit("data", {"a": b"1"}, "More", parent=head)
    assert world.fresh().head("data") == commit


def test_the_git_of_a_killed_process_keeps_the_mirrors_lock(world, tmp_path):
    """It still moves refs: whoever fetched beside it would be told that a ref is not where it was expected."""
    slow, said = tmp_path / "bin" / "git", tmp_path / "pid"
    slow.parent.mkdir()
    waits = f'[ "$1" = fetch ] && {{ echo $$ > "{said}"; exec sleep 60; }}'
    slow.write_text(f'#!/bin/sh\n{waits}\nexec "{shutil.which("git")}" "$@"\n')
    slow.chmod(0o755)
    code = "from pipelines.config.settings import load; import pipelines.ledger as it; it.Ledger.open(load(), 'tiny')"
    found = {"PATH": f"{slow.parent}:{os.environ['PATH']}", "PYTHONPATH": str(ROOT)}
    environment = child_environment(world.settings) | found
    with subprocess.Popen([sys.executable, "-c", code], env=environment) as process:
        while not (said.is_file() and said.read_text().endswith("\n")):
            assert process.poll() is None
            time.sleep(0.01)
        process.kill()
    lock = world.ledger.mirror.with_suffix(".lock")
    with pytest.raises(LeaseHeld), locked(lock, seconds=0):
        pass
    os.kill(int(said.read_text()), signal.SIGKILL)
    with locked(lock, seconds=5):
        pass


def test_a_mirror_that_is_lost_is_made_again(world):
    head = world.ledger.head("data")
    shutil.rmtree(world.ledger.mirror)
    assert world.fresh().head("data") == head


def test_a_thousand_tags_are_listed_quickly(world):
    import time

    head = world.ledger.head("data")
    lines = "".join(f"create refs/tags/runs/2024-01-01-20260101T000000Z-{n:06x} {head}\n" for n in range(1000))
    subprocess.run(["git", "update-ref", "--stdin"], cwd=world.bare, input=lines.encode(), check=True)
    began = time.monotonic()
    assert len(world.fresh().tags()) == 1000
    assert time.monotonic() - began < 5

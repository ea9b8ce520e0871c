"""What a repository's own configuration says nobody obeys: neither Git nor DVC, in a workspace or in a mirror."""

from __future__ import annotations

import os
import shutil
import subprocess
from collections.abc import Callable
from pathlib import Path

import pytest

from pipelines.ledger.command import git
from pipelines.ledger.workspace import Workspace

RUN = "2024-02-05-20260101T000000Z-abcdef"
Plant = Callable[[Path, Path], None]  # the repository's own folder, the program


def config(text: str) -> Plant:
    def plant(folder: Path, program: Path) -> None:
        with (folder / "config").open("a") as file:
            file.write(text.replace("PROGRAM", str(program)) + "\n")

    return plant


def attributes(text: str) -> Plant:
    """With a filter, and the file that puts it to use, inside the repository."""
    named = config(text)

    def plant(folder: Path, program: Path) -> None:
        named(folder, program)
        (folder / "info").mkdir(exist_ok=True)
        (folder / "info" / "attributes").write_text("* filter=evil diff=evil merge=evil\n")

    return plant


def hooks(folder: Path, program: Path) -> None:
    names = (
        "post-checkout",
        "pre-commit",
        "pre-push",
        "reference-transaction",
        "post-index-change",
        "fsmonitor-watchman",
    )
    (folder / "hooks").mkdir(exist_ok=True)
    for name in names:
        shutil.copy(program, folder / "hooks" / name)


def included(folder: Path, program: Path) -> None:
    (folder / "more").write_text(f"[core]\n\tfsmonitor = {program}\n\tsshCommand = {program}\n")
    config("[include]\n\tpath = more")(folder, program)


def worktree(folder: Path, program: Path) -> None:
    config("[extensions]\n\tworktreeConfig = true")(folder, program)
    (folder / "config.worktree").write_text(f"[core]\n\tfsmonitor = {program}\n")


def elsewhere(folder: Path, program: Path) -> None:
    """Another repository's folder counts, whose configuration is another."""
    other = folder.parent / "lake"
    other.mkdir(exist_ok=True)
    shutil.copytree(folder, other / "evil", symlinks=True, dirs_exist_ok=True)
    config("[core]\n\tfsmonitor = PROGRAM")(other / "evil", program)
    (folder / "commondir").write_text(str(other / "evil"))


KINDS: dict[str, Plant] = {
    "fsmonitor": config("[core]\n\tfsmonitor = PROGRAM"),
    "fsmonitor, forced": config("[core]\n\tfsmonitor = PROGRAM\n\tfsmonitorHookVersion = 2\n\tuntrackedCache = true"),
    "hooks": hooks,
    "hooks elsewhere": lambda folder, program: (
        hooks(folder, program),
        config(f"[core]\n\thooksPath = {folder}/hooks")(folder, program),
    )[0],
    "include": included,
    "includeIf": config('[includeIf "gitdir:**"]\n\tpath = more'),
    "worktree": worktree,
    "another repository": elsewhere,
    "filter": attributes(
        '[filter "evil"]\n\tclean = PROGRAM\n\tsmudge = PROGRAM\n\tprocess = PROGRAM\n\trequired = true'
    ),
    "diff and merge": attributes(
        '[diff "evil"]\n\tcommand = PROGRAM\n\ttextconv = PROGRAM\n[merge "evil"]\n\tdriver = PROGRAM'
    ),
    "attributes": config('[core]\n\tattributesFile = PROGRAM\n[filter "lfs"]\n\tsmudge = PROGRAM\n\tprocess = PROGRAM'),
    "ssh, ask and proxy": config("[core]\n\tsshCommand = PROGRAM\n\taskPass = PROGRAM\n\tgitProxy = PROGRAM"),
    "pager, editor, alias": config(
        "[core]\n\tpager = PROGRAM\n\teditor = PROGRAM\n[alias]\n\treset = !PROGRAM\n\tclean = !PROGRAM"
    ),
    "gpg": config("[gpg]\n\tprogram = PROGRAM\n[commit]\n\tgpgSign = true\n[log]\n\tshowSignature = true"),
    "credential": config("[credential]\n\thelper = !PROGRAM"),
    "another url": config('[url "ext::PROGRAM "]\n\tinsteadOf = /\n[protocol "ext"]\n\tallow = always'),
    "another remote": config('[remote "origin"]\n\tuploadpack = PROGRAM\n\treceivepack = PROGRAM\n\tvcs = evil'),
    "alternates": config("[core]\n\talternateRefsCommand = PROGRAM\n[uploadpack]\n\tpackObjectsHook = PROGRAM"),
    "gc": config("[gc]\n\tauto = 1\n\trecentObjectsHook = PROGRAM\n[maintenance]\n\tauto = true"),
    "submodule": config(
        '[submodule "x"]\n\tupdate = !PROGRAM\n\turl = ext::PROGRAM\n[fetch]\n\trecurseSubmodules = true'
    ),
}


@pytest.fixture
def canary(tmp_path: Path) -> Path:
    """Is there once the program has run."""
    return tmp_path / "canary"


@pytest.fixture
def program(tmp_path: Path, canary: Path) -> Path:
    path = tmp_path / "evil.sh"
    path.write_text(f'#!/bin/sh\necho "$0 $*" >>{canary}\ncat 2>/dev/null\nexit 0\n')
    path.chmod(0o755)
    return path


@pytest.fixture
def stocked(world):
    world.publish(*world.days(40))
    world.open_run()
    return world


def opened(world) -> Workspace:
    return Workspace.open(world.settings, world.fresh(), RUN)


def work(space: Workspace) -> None:
    """What the stage `snapshot` does."""
    folder = space.root / "out" / "snapshot"
    folder.mkdir(parents=True, exist_ok=True)
    (folder / "snapshot.json").write_text("{}")


@pytest.mark.parametrize("kind", KINDS)
def test_a_workspace_never_runs_what_its_own_configuration_names(stocked, program, canary, kind) -> None:
    with opened(stocked) as space:
        KINDS[kind](space.root / ".git", program)
    with opened(stocked) as space:  # the next stage
        space.prepare("snapshot")
        space.restore("snapshot")
        work(space)
        KINDS[kind](space.root / ".git", program)  # by the stage itself, just before it is published
        space.publish("snapshot")
        KINDS[kind](space.root / ".git", program)
    with opened(stocked) as space:
        assert space.finished("snapshot")
    assert not canary.exists(), canary.read_text()
    config_now = (space.root / ".git" / "config").read_text()
    assert str(program) not in config_now
    assert sorted(path.name for path in (space.root / ".git").iterdir()) == [
        "HEAD",
        "config",
        "index",
        "objects",
        "refs",
    ]


@pytest.mark.parametrize("kind", KINDS)
def test_a_mirror_never_runs_what_its_own_configuration_names(stocked, program, canary, kind) -> None:
    ledger = stocked.fresh()
    KINDS[kind](ledger.mirror, program)
    again = stocked.fresh()
    again.commit("decisions", {"x.json": b"{}"}, "Try", parent=again.head("decisions"))
    again.fetch()
    assert not canary.exists(), canary.read_text()
    assert str(program) not in (ledger.mirror / "config").read_text()


@pytest.mark.parametrize(
    "kind", [kind for kind in KINDS if kind.startswith(("fsmonitor", "hooks", "attributes", "gpg"))]
)
def test_what_can_be_overridden_git_does_not_obey_even_where_it_stands(tmp_path, program, canary, kind) -> None:
    """Whoever is quick may write it back before Git starts."""
    root = tmp_path / "repository"
    git(None, "init", "--quiet", "--template=", str(root))
    (root / "file").write_text("x")
    KINDS[kind](root / ".git", program)
    git(root, "add", "file")
    git(root, "commit", "--quiet", "-m", "One", "--no-gpg-sign")
    git(root, "reset", "--quiet", "--hard", "HEAD")
    git(root, "status")
    git(root, "log", "-1")
    assert not canary.exists(), canary.read_text()


def test_plain_git_would_have_run_it(tmp_path, program, canary) -> None:
    """So that the tests above would find it."""
    root = tmp_path / "repository"
    git(None, "init", "--quiet", "--template=", str(root))
    KINDS["fsmonitor"](root / ".git", program)
    subprocess.run(["git", "status"], cwd=root, check=True, capture_output=True)
    assert canary.exists()


HOSTILE_DVC = """\
[core]
    hardlink_lock = true
    site_cache_dir = {elsewhere}/site
    remote = evil
[cache]
    dir = {elsewhere}/cache
['remote "evil"']
    url = {elsewhere}/remote
['remote "store"']
    url = {elsewhere}/remote
"""


@pytest.mark.parametrize("name", ["config", "config.local"])
def test_dvc_takes_its_cache_and_remote_from_us_whatever_a_workspace_says(stocked, tmp_path, name) -> None:
    elsewhere = tmp_path / "elsewhere"
    for at in ("before", "within"):
        with opened(stocked) as space:
            if at == "within":
                (space.root / ".dvc" / name).write_text(HOSTILE_DVC.format(elsewhere=elsewhere))
            space.prepare("snapshot")
            work(space)
            (space.root / ".dvc" / name).write_text(HOSTILE_DVC.format(elsewhere=elsewhere))
            space.publish("snapshot")
    assert not elsewhere.exists()
    assert list(Path(stocked.settings.dvc_remote).rglob("*.dir"))


@pytest.mark.parametrize("what", ["a link", "a file", "index", "attributes", "objects"])
def test_a_git_folder_that_was_put_there_is_none(stocked, tmp_path, what) -> None:
    with opened(stocked) as space:
        folder = space.root / ".git"
        expected = (space.root / "window.json").read_bytes()
    if what in ("a link", "a file"):
        shutil.move(folder, tmp_path / "other")
        if what == "a link":
            folder.symlink_to(tmp_path / "other")
        else:
            folder.write_text(f"gitdir: {tmp_path / 'other'}\n")
    elif what == "index":
        subprocess.run(["git", "update-index", "--skip-worktree", "window.json"], cwd=space.root, check=True)
        (space.root / "window.json").write_text("{}")
    elif what == "attributes":
        (space.root / ".gitattributes").write_text("* text eol=crlf\n")
    else:
        blob = subprocess.run(
            ["git", "rev-parse", "HEAD:window.json"], cwd=space.root, check=True, capture_output=True, text=True
        ).stdout.strip()
        forged = subprocess.run(
            ["git", "hash-object", "-w", "--stdin"],
            cwd=space.root,
            input="{}",
            check=True,
            capture_output=True,
            text=True,
        ).stdout.strip()
        objects = folder / "objects"
        (objects / blob[:2]).mkdir(exist_ok=True)
        shutil.copy(objects / forged[:2] / forged[2:], objects / blob[:2] / blob[2:])
        (space.root / "window.json").unlink()
    with opened(stocked) as space:
        assert (space.root / "window.json").read_bytes() == expected
        assert not (space.root / ".git").is_symlink()


def test_a_list_of_ignored_files_of_the_users_own_changes_nothing(stocked, tmp_path, monkeypatch) -> None:
    """Somebody who ignores `*.lock` everywhere publishes dvc.lock all the same."""
    monkeypatch.setenv("XDG_CONFIG_HOME", str(tmp_path / "xdg"))
    (tmp_path / "xdg" / "git").mkdir(parents=True)
    (tmp_path / "xdg" / "git" / "ignore").write_text("*.lock\n*.json\n")
    with opened(stocked) as space:
        space.prepare("snapshot")
        work(space)
        space.publish("snapshot")
    assert stocked.fresh().read(f"run/{RUN}", "dvc.lock")
    assert os.environ["XDG_CONFIG_HOME"]

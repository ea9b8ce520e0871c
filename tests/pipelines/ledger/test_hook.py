"""The hook of a ledger, and how an older one of ours gives way."""

import re
import subprocess
from hashlib import sha256
from pathlib import Path

import pytest

from pipelines.errors import InputError
from pipelines.ledger import hook

LEASES = "refs/heads/data | refs/heads/nights | refs/heads/decisions"
HEAD = """\
# Guards the refs of a ledger: branches move forward only, tags never, nothing is deleted, a run's branch is
# written by the holder of the newest lease alone, and where a server names roles, `champion` by the promoter
# alone. Arguments: ref, old commit, new commit.
"""
BEFORE = """\
# Guards the refs of a ledger: branches move forward only, tags never, nothing is deleted but a run that `decisions`
# says retention has ended, a run's branch is written by the holder of the newest lease alone, and where a server
# names roles, `champion` is written, and a run ended, by the promoter alone. Arguments: ref, old commit, new commit.
"""
KEEPING = 'if unset_id "$new"; then refuse "refs are never deleted"; fi\n'
# As it was before records of the promoter were guarded.
OPEN = re.sub(r"# Whoever runs.*?\nfi\n\n", "", hook.UPDATE_HOOK, flags=re.DOTALL)
OPEN = re.sub(r"# Guards.*?new commit\.\n", BEFORE, OPEN, flags=re.DOTALL)
# As it was before retention could end a run.
LATER = re.sub(r'if unset_id "\$new"; then\n.*?\nfi\n', lambda _: KEEPING, OPEN, flags=re.DOTALL)
LATER = re.sub(r"# Guards.*?new commit\.\n", HEAD, LATER, flags=re.DOTALL)
OLDER = LATER.replace(LEASES, "refs/heads/data | refs/heads/decisions")


def test_former_hooks_are_those_that_were_written(world):
    assert sha256(OLDER.encode()).hexdigest() in hook.FORMER
    assert sha256(LATER.encode()).hexdigest() in hook.FORMER
    assert sha256(OPEN.encode()).hexdigest() in hook.FORMER
    assert len(hook.FORMER) == 4
    assert sha256(hook.UPDATE_HOOK.encode()).hexdigest() not in hook.FORMER


def test_opening_a_ledger_renews_the_hook_of_an_older_version(world):
    file = world.bare / "hooks" / "update"
    file.write_text(OLDER)
    with pytest.raises(InputError, match="not a ref of a ledger") as refused:
        world.ledger.commit("nights", {"a.json": b"{}"}, "Night", parent=None)
    assert "--renew-hooks" in refused.value.line()
    world.fresh().commit("nights", {"a.json": b"{}"}, "Night", parent=None)
    assert file.read_text() == hook.UPDATE_HOOK
    assert subprocess.run(["test", "-x", file], check=False).returncode == 0
    assert [path.name for path in file.parent.iterdir()] == ["update"]


@pytest.mark.parametrize("text", ["#!/bin/sh\nexit 0\n", OLDER + "# ours\n", None])
def test_a_hook_of_somebody_else_stays(world, text):
    file = world.bare / "hooks" / "update"
    file.unlink()
    if text is not None:
        file.write_text(text)
    world.fresh()
    assert (file.read_text() if file.exists() else None) == text


def test_a_hook_that_is_not_ours_to_write_stays(world, monkeypatch):
    (world.bare / "hooks" / "update").write_text(OLDER)

    def refuse(folder: Path) -> None:
        raise PermissionError(folder)

    monkeypatch.setattr(hook, "write", refuse)
    assert not hook.renew(world.bare)
    world.fresh()

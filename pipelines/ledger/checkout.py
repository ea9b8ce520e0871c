"""The `.git` of a workspace, made by us and by nobody else: Git, and DVC's own, obey what is written there.

A stage runs a model's code in the workspace, and may leave behind a configuration that names programs, hooks, filters,
objects or an index of its own. So whoever opens a workspace makes its `.git` anew, with the mirror's objects behind it,
and whoever publishes from it puts the configuration back first.
"""

from __future__ import annotations

import os
import shutil
from pathlib import Path

from pipelines.ledger.command import git
from pipelines.storage.files import write_bytes

_CONFIG = """\
[core]
\trepositoryformatversion = 0
\tfilemode = true
\tbare = false
\tlogAllRefUpdates = false
\texcludesFile = {null}
[remote "origin"]
\turl = "{url}"
\ttagOpt = --no-tags
\tfetch = "+refs/heads/{branch}:refs/remotes/origin/{branch}"
[branch "{branch}"]
\tremote = origin
\tmerge = "refs/heads/{branch}"
"""
# Besides `config` what of a repository's folder changes what Git does, or runs something.
_ARMED = ("config.worktree", "commondir", "hooks", "info", "modules", "worktrees", "refs/replace", "shallow", "gitdir")


def check_out(root: Path, mirror: Path, branch: str, head: str) -> None:
    """Let the folder `root` hold `head` of `branch` and, but for what Git ignores, nothing else.

    Raises:
        GitFailed: it could not be checked out.
    """
    _remove(root / ".git")
    for name in ("objects/info", "objects/pack", "refs/heads", "refs/tags"):
        (root / ".git" / name).mkdir(parents=True)
    _write(root, "objects/info/alternates", f"{mirror.resolve() / 'objects'}\n")
    _write(root, "HEAD", f"ref: refs/heads/{branch}\n")
    _configure(root, mirror, branch)
    _remove(root / ".gitattributes")  # of the ledger there is none
    git(root, "reset", "--quiet", "--hard", head)
    git(root, "clean", "--quiet", "-ffd")


def disarm(root: Path, mirror: Path, branch: str) -> None:
    """Put the configuration of the repository at `root` back, and take away what else tells Git what to do."""
    if (root / ".git").is_symlink() or not (root / ".git").is_dir():
        _remove(root / ".git")
    for name in _ARMED:
        _remove(root / ".git" / name)
    _configure(root, mirror, branch)


def disarm_bare(mirror: Path, config: str) -> None:
    """The same for a bare repository of ours, whose whole configuration is `config`."""
    for name in _ARMED:
        _remove(mirror / name)
    if _content(mirror / "config") != config.encode():
        _remove(mirror / "config")
        write_bytes(mirror / "config", config.encode(), durable=False)


def _configure(root: Path, mirror: Path, branch: str) -> None:
    url = str(mirror.resolve()).replace("\\", "\\\\").replace('"', '\\"')
    _write(root, "config", _CONFIG.format(url=url, branch=branch, null=os.devnull))


def _write(root: Path, name: str, text: str) -> None:
    _remove(root / ".git" / name)
    write_bytes(root / ".git" / name, text.encode(), durable=False)


def _remove(path: Path) -> None:
    """Remove what is at `path`, whatever it is; a link, and not what it leads to."""
    if path.is_dir() and not path.is_symlink():
        shutil.rmtree(path)
    else:
        path.unlink(missing_ok=True)


def _content(path: Path) -> bytes | None:
    return path.read_bytes() if path.is_file() and not path.is_symlink() else None

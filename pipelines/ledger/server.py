"""Makes the bare repository of one model's ledger and the hook that guards its refs."""

from __future__ import annotations

import json
import shutil
import tempfile
from pathlib import Path

from pipelines.ledger.command import git

FORMAT = 1
# What every ledger's repository is set to; a server says it again with each request, whatever the repository says.
CONFIG = {
    "receive.denyNonFastForwards": "true",
    "receive.denyDeletes": "true",
    "receive.fsckObjects": "true",
    "core.fsync": "committed,reference",
    "gc.autoDetach": "false",
}
# Names the pusher's role to the hook. A server sets it; who reaches the folder itself has no role and may do all.
ROLE = "EVERGREEN_LEDGER_ROLE"
PROMOTER = "promoter"
GITIGNORE = """\
/lake/*/*/*
/out/*
!/out/evaluate/
/out/evaluate/*
!/out/evaluate/metrics.json
!/out/evaluate/gates.json
/champion/*
!/champion/champion.json
/result.json
/dvc_plots/
*.tmp
"""
DVC_CONFIG = """\
[core]
    remote = store
    analytics = false
    autostage = false
    check_update = false
['remote "store"']
    url = {remote}
    verify = true
"""
DVC_GITIGNORE = "/config.local\n/tmp\n/cache\n"

UPDATE_HOOK = """\
#!/bin/sh
# Guards the refs of a ledger: branches move forward only, tags never, nothing is deleted, a run's branch is
# written by the holder of the newest lease alone, and where a server names roles, `champion` by the promoter
# alone. Arguments: ref, old commit, new commit.
set -eu
ref=$1 old=$2 new=$3
refuse() {
    echo "evergreen: $1: $ref" >&2
    exit 1
}
unset_id() { case "$1" in *[!0]*) return 1 ;; *) return 0 ;; esac; }

case "$ref" in
refs/heads/data | refs/heads/decisions | refs/heads/champion | refs/heads/lease) ;;
refs/heads/run/*/* | refs/tags/runs/*/*) refuse "not a ref of a ledger" ;;
refs/heads/run/?* | refs/tags/runs/?*) ;;
*) refuse "not a ref of a ledger" ;;
esac

role=${EVERGREEN_LEDGER_ROLE-}
if [ "$ref" = refs/heads/champion ] && [ -n "$role" ] && [ "$role" != promoter ]; then
    refuse "only the promoter may write it, not $role"
fi

if unset_id "$new"; then refuse "refs are never deleted"; fi
[ "$(git cat-file -t "$new")" = commit ] || refuse "only commits"

case "$ref" in
refs/tags/*)
    unset_id "$old" || refuse "tags never move"
    ;;
*)
    if ! unset_id "$old"; then
        git merge-base --is-ancestor "$old" "$new" || refuse "not a fast-forward"
    fi
    ;;
esac

case "$ref" in
refs/heads/run/*)
    if ! unset_id "$old" && git rev-parse --quiet --verify refs/heads/lease >/dev/null; then
        newest=$(git cat-file blob refs/heads/lease:lease.json | sed -n 's/^ *"fencing": \\([0-9]*\\),*$/\\1/p')
        ours=$(git show --no-patch --format='%(trailers:key=Fencing,valueonly,separator=%x2C)' "$new")
        [ "$ours" = "$newest" ] || refuse "stale fencing number ${ours:-none}, the newest is $newest"
    fi
    ;;
esac
"""


def create(folder: Path, model: str, dvc_remote: str) -> None:
    """A new ledger in `folder`, its `data` branch holding no data yet. Where one appeared meanwhile, that one stays."""
    folder.parent.mkdir(parents=True, exist_ok=True)
    draft = Path(tempfile.mkdtemp(prefix=f".{model}-", dir=folder.parent))
    try:
        begin(draft)
        _first_commit(draft, first_files(model, dvc_remote))
        try:
            # Only an empty folder gives way to a rename: of two that create at once, one wins.
            draft.rename(folder)
        except OSError:
            if not (folder / "HEAD").is_file():
                raise
    finally:
        shutil.rmtree(draft, ignore_errors=True)


def begin(folder: Path) -> None:
    """An empty bare repository in `folder`, with the settings and the hook of a ledger."""
    git(folder, "init", "--quiet", "--bare", "--template=", "--initial-branch=data")
    for key, value in CONFIG.items():
        git(folder, "config", key, value)
    write_hook(folder / "hooks")
    folder.chmod(0o755)


def write_hook(folder: Path) -> None:
    """Put the `update` hook into `folder`, in one step: a push finds either no hook's file or all of it."""
    folder.mkdir(exist_ok=True)
    draft = folder / ".update"
    draft.write_text(UPDATE_HOOK)
    draft.chmod(0o755)
    draft.rename(folder / "update")


def _first_commit(bare: Path, files: dict[str, bytes]) -> None:
    entries = b""
    for path, content in files.items():
        blob = git(bare, "hash-object", "-w", "--stdin", stdin=content).decode().strip()
        entries += f"100644 {blob}\t{path}\0".encode()
    index = {"GIT_INDEX_FILE": str(bare / "first.index")}
    git(bare, "update-index", "-z", "--index-info", stdin=entries, extra=index)
    tree = git(bare, "write-tree", extra=index).decode().strip()
    (bare / "first.index").unlink()
    commit = git(bare, "commit-tree", tree, stdin=b"Begin the ledger\n").decode().strip()
    git(bare, "update-ref", "refs/heads/data", commit)


def first_files(model: str, dvc_remote: str) -> dict[str, bytes]:
    """The files every commit of a ledger's data and runs carries, by path."""
    ledger = json.dumps({"format": FORMAT, "model": model}, indent=1) + "\n"
    return {
        "ledger.json": ledger.encode(),
        ".gitignore": GITIGNORE.encode(),
        ".dvc/.gitignore": DVC_GITIGNORE.encode(),
        ".dvc/config": DVC_CONFIG.format(remote=dvc_remote).encode(),
    }

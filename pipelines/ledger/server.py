"""Makes the bare repository of one model's ledger."""

from __future__ import annotations

import json
import shutil
import tempfile
from pathlib import Path

from pipelines.ledger import hook
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
GITIGNORE = """\
/lake/*/*/*
/out/*
!/out/evaluate/
/out/evaluate/*
!/out/evaluate/metrics.json
!/out/evaluate/gates.json
!/out/evaluate/cost.json
!/out/cost/
/out/cost/*
!/out/cost/train.json
/champion/*
!/champion/champion.json
!/champion/stamped.json
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
    hook.write(folder / "hooks")
    folder.chmod(0o755)


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

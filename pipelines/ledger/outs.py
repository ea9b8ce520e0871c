"""Brings single files of a finished stage, or of a run's commit, to where they are needed."""

from __future__ import annotations

import os
import shutil
from collections.abc import Mapping
from pathlib import Path

from pipelines.config.settings import Settings
from pipelines.errors import IntegrityError
from pipelines.ledger.git import Ledger
from pipelines.ledger.lockfile import Pipeline
from pipelines.ledger.store import Store
from pipelines.storage.files import atomic_file, write_bytes


def fetch_files(settings: Settings, ledger: Ledger, commit: str, wanted: Mapping[str, Path]) -> None:
    """Bring files of a run's `commit` (or ref) to other places: `{path in the workspace: where to put it}`.

    Files of DVC outs come from cache or remote, verified by md5, the others out of Git. They are links into the
    cache where that is possible: read them, never write into them.

    Raises:
        IntegrityError: the commit has no such file, or its bytes are not what it says.
        PassingFault: the remote cannot be reached.
    """
    pipeline = Pipeline(ledger, commit)
    contents = ledger.read_many((commit, path) for path in wanted)
    objects: dict[str, Path] = {}
    store: Store | None = None
    try:
        for path, target in wanted.items():
            content = contents[commit, path]
            if content is not None:
                write_bytes(target, content, durable=False)
                continue
            store = store or Store.open(settings, settings.workspaces / ledger.model / "data", scm=False)
            objects[_object(pipeline, store, path)] = target
        if store:
            store.fetch(objects)
            for oid, target in objects.items():
                link(store.cached(oid), target)
    finally:
        if store:
            store.close()


def fetch_folder(settings: Settings, ledger: Ledger, commit: str, path: str, target: Path) -> list[Path]:
    """Bring every file below `path`, inside or equal to a folder that a stage of `commit` made, to below `target`.

    Raises as `fetch_files` does.
    """
    out = Pipeline(ledger, commit).out_of(path)
    if out is None or not out.md5.endswith(".dir"):
        raise IntegrityError("no finished stage made such a folder", where=path, remedy="run its stage first")
    store = Store.open(settings, settings.workspaces / ledger.model / "data", scm=False)
    try:
        inside = path.removeprefix(out.path).strip("/")
        found = {
            name.removeprefix(inside).lstrip("/"): md5
            for name, md5 in store.folder(out.md5).items()
            if not inside or name.startswith(f"{inside}/")
        }
        store.fetch(found.values())
        for name, md5 in found.items():
            link(store.cached(md5), target / name)
    finally:
        store.close()
    return [target / name for name in sorted(found)]


def link(source: Path, target: Path) -> None:
    """Make `target` a hard link to the cache's `source`, or a read-only copy where links cannot be made."""
    target.parent.mkdir(parents=True, exist_ok=True)
    if target.exists() and target.samefile(source):
        return
    with atomic_file(target, durable=False) as temporary:
        try:
            os.link(source, temporary)
        except OSError:  # another volume, or more links than the file system can count
            shutil.copyfile(source, temporary)
            temporary.chmod(0o444)


def _object(pipeline: Pipeline, store: Store, path: str) -> str:
    out = pipeline.out_of(path)
    if out is None or not out.md5:
        raise IntegrityError("no finished stage made it", where=path, remedy="run its stage first")
    if out.path == path:
        return out.md5
    files = store.folder(out.md5)
    inside = path.removeprefix(f"{out.path}/")
    if inside not in files:
        raise IntegrityError(f"is not in {out.path}", where=path, remedy="run its stage again")
    return files[inside]

"""What the champion said in the nights of a run's test days, as the run holds it.

`champion/stamped.json` stands in Git, so that whoever judges depends on it: the version, for each day the file that
the night wrote with its sha256, and md5 and sha256 of `champion/stamped.parquet`. That holds the scores by `row_id`,
without the keys of rows, and lies in DVC's cache and remote: it stays when predictions are removed or written anew.
"""

from __future__ import annotations

import hashlib
from pathlib import Path
from typing import Any

from pipelines.config.settings import Settings
from pipelines.ledger.git import Ledger
from pipelines.ledger.outs import link
from pipelines.ledger.store import Store
from pipelines.storage.files import json_bytes, read_json

NOTE = "champion/stamped.json"
SCORES = "champion/stamped.parquet"
NOTHING = json_bytes({"stamped": None})


def keep(settings: Settings, ledger: Ledger, scores: Path) -> str:
    """Put the file `scores` into cache and remote; its md5.

    Raises:
        PassingFault: the remote cannot be reached or written; repeating it is safe.
    """
    with scores.open("rb") as file:
        md5 = hashlib.file_digest(file, lambda: hashlib.md5(usedforsecurity=False)).hexdigest()
    store = _store(settings, ledger)
    try:
        store.add({md5: scores})
        store.push([md5])
    finally:
        store.close()
    return md5


def bring(settings: Settings, ledger: Ledger, root: Path) -> None:
    """Put the scores that the run checked out at `root` names into their place there; a run may name none.

    Raises:
        IntegrityError: they are in neither cache nor remote, or are not what their name says.
        PassingFault: the remote cannot be reached.
    """
    said = _said(root)
    if said is None:
        return
    store = _store(settings, ledger)
    try:
        store.fetch([said["md5"]])
        link(store.cached(said["md5"]), root / SCORES)
    finally:
        store.close()


def named(root: Path) -> list[Path]:
    """Where the scores that the run checked out at `root` names belong: one place, or none."""
    return [root / SCORES] if _said(root) else []


def _said(root: Path) -> dict[str, Any] | None:
    # Runs begun before champions were judged by what they had said have no such file.
    note = root / NOTE
    found: dict[str, Any] | None = read_json(note)["stamped"] if note.is_file() else None
    return found


def _store(settings: Settings, ledger: Ledger) -> Store:
    return Store.open(settings, settings.workspaces / ledger.model / "data", scm=False)

"""Backs ledgers up as Git bundles, one ordinary file each, and makes ledgers from them again.

A bundle holds every ref with its whole history. The bytes that the refs name lie in the DVC remote; refs are written
after their bytes, so a copy of the remote that is made after the bundles holds all that they name.
"""

from __future__ import annotations

import shutil
import tempfile
from dataclasses import dataclass
from pathlib import Path

from pipelines.config import names
from pipelines.errors import InputError, IntegrityError, shorten
from pipelines.ledger import server
from pipelines.ledger.command import GitFailed, git
from pipelines.ledger.git import Ledger
from pipelines.storage.files import atomic_file, short

SUFFIX = ".bundle"


@dataclass(frozen=True)
class Saved:
    """One ledger's bundle."""

    model: str
    file: Path
    refs: int
    bytes: int


def save(ledger: Ledger, folder: Path) -> Saved:
    """Write every ref of `ledger` into `<folder>/<model>.bundle`, in one step, and verify it.

    Raises:
        PassingFault: the ledger cannot be reached, or the disk is full.
    """
    ledger.fetch()
    target = folder / f"{ledger.model}{SUFFIX}"
    with atomic_file(target) as draft:
        git(ledger.mirror, "bundle", "create", "--quiet", str(draft.resolve()), "--branches", "--tags")
        refs = len(_heads(draft))
    return Saved(ledger.model, target, refs, target.stat().st_size)


def restore(bundle: Path, root: Path) -> str:
    """Make the ledger `<root>/<model>.git` from `<model>.bundle`, and return the model's name.

    For the folder of a ledger server that is stopped, or of the embedded ledgers. What is there already stays.

    Raises:
        InputError: there is such a ledger already, or the file's name is no model's.
        IntegrityError: the bundle is damaged or incomplete.
    """
    model = names.model_name(bundle.name.removesuffix(SUFFIX))
    target = root / f"{model}.git"
    if target.exists():
        raise InputError("is there already", where=str(target), remedy="move it away if the backup shall replace it")
    root.mkdir(parents=True, exist_ok=True)
    draft = Path(tempfile.mkdtemp(prefix=f".{model}-", dir=root))
    try:
        server.begin(draft)
        _unpack(bundle, draft)
        draft.rename(target)
    finally:
        shutil.rmtree(draft, ignore_errors=True)
    return model


def _unpack(bundle: Path, bare: Path) -> None:
    wanted = _heads(bundle)
    try:
        git(bare, "fetch", "--quiet", "--no-write-fetch-head", str(bundle.resolve()), "refs/*:refs/*")
        git(bare, "fsck", "--connectivity-only", "--no-dangling", "--no-progress")
    except GitFailed as error:
        raise _damaged(bundle, error) from None
    shown = git(bare, "for-each-ref", "--format=%(objectname) %(refname)").decode().splitlines()
    if set(shown) != wanted:
        raise IntegrityError("does not hold the refs it lists", where=short(bundle), remedy="take another backup")


def _heads(bundle: Path) -> set[str]:
    """`commit ref` of every ref in the bundle."""
    try:
        listed = git(None, "bundle", "list-heads", str(bundle.resolve())).decode().splitlines()
    except GitFailed as error:
        raise _damaged(bundle, error) from None
    return {line for line in listed if not line.endswith(" HEAD")}


def _damaged(bundle: Path, error: GitFailed) -> IntegrityError:
    told = (error.output.strip().splitlines() or ["no message"])[-1]
    return IntegrityError(f"is no sound bundle: {shorten(told)}", where=short(bundle), remedy="take another backup")

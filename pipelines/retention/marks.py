"""Mark: every object of the remote that some ref of some ledger needs, and those that an erasure has condemned."""

from __future__ import annotations

import json
import re
from collections.abc import Collection, Iterable
from dataclasses import dataclass, field
from typing import Self

from pipelines.config.settings import Settings
from pipelines.ledger import stamps
from pipelines.ledger.git import Ledger
from pipelines.ledger.refs import contents, entries, every
from pipelines.ledger.store import Store

ERASED = "erased/"
_MD5 = re.compile(rb"""md5["']?: *["']?([0-9a-f]{32}(?:\.dir)?)\b""")
_REFS = ("refs/heads/data", "refs/heads/run/", "refs/tags/runs/")


@dataclass
class Marks:
    """`needed` objects, and those `erased` that nobody needs."""

    needed: set[str] = field(default_factory=set)
    erased: set[str] = field(default_factory=set)

    @classmethod
    def of(cls, settings: Settings, ledgers: Iterable[Ledger], without: Collection[str] = ()) -> Self:
        """What hangs on the refs of all `ledgers`, as of their last fetch, but for the refs `without`.

        `without` holds `<model> <full name>`. A file that an erasure names counts for refs that were made after it, not
        for older ones: those still list the person's rows.

        Raises:
            IntegrityError: a directory's list is neither in its place nor on the shelf: better nothing is swept.
            PassingFault: the remote cannot be reached.
        """
        found, erased = cls(), set[str]()
        store = Store.open(settings, settings.workspaces / "gc" / "data", scm=False)
        try:
            for ledger in ledgers:
                skipped = {name.partition(" ")[2] for name in without if name.startswith(f"{ledger.model} ")}
                erased |= _mark(ledger, skipped, store, found.needed)
        finally:
            store.close()
        found.erased = erased - found.needed
        return found


def erasures(ledger: Ledger) -> dict[str, dict[str, list[str]]]:
    """Path to content of the erasures on branch `data`, as of the last fetch."""
    head = ledger.head("data")
    paths = ledger.tree(head, ERASED) if head else []
    found = ledger.read_many((head or "", path) for path in paths)
    return {path: json.loads(content) for (_, path), content in found.items() if content}


def _mark(ledger: Ledger, skipped: set[str], store: Store, needed: set[str]) -> set[str]:
    """Add what the refs of `ledger` need to `needed`; the objects that its erasures name."""
    told = {path: set(value["objects"]) for path, value in erasures(ledger).items()}
    refs = {name: commit for name, (commit, _) in every(ledger).items() if name.startswith(_REFS)}
    trees = {commit: entries(ledger, commit) for name, commit in refs.items() if name not in skipped}
    listing = {commit: [blob for path, blob in tree.items() if _lists(path)] for commit, tree in trees.items()}
    text = contents(ledger, (blob for blobs in listing.values() for blob in blobs))
    named = {blob: {md5.decode() for md5 in _MD5.findall(content)} for blob, content in text.items()}
    folders = sorted({md5 for found in named.values() for md5 in found if md5.endswith(".dir")})
    store.fetch(folders)
    inside = {oid: set(store.folder(oid).values()) for oid in folders}
    for commit, blobs in listing.items():
        direct = {md5 for blob in blobs for md5 in named[blob]}
        own = direct.union(*(inside[oid] for oid in direct if oid in inside))
        gone = [objects for path, objects in told.items() if path not in trees[commit]]
        needed |= own.difference(*gone)
    return set().union(*told.values())


def _lists(path: str) -> bool:
    """Whether a file of a ledger names objects."""
    return path.endswith((".dvc", ".lock")) or path in ("window.json", stamps.NOTE) or path.startswith("manifest/")

"""Mark: every object of the remote that some ref of some ledger needs, and those that an erasure has condemned."""

from __future__ import annotations

import re
from collections.abc import Collection, Iterable, Sequence
from dataclasses import dataclass, field
from typing import Any, Self

from pipelines.config.settings import Settings
from pipelines.errors import IntegrityError
from pipelines.ledger import broken, reader, stamps
from pipelines.ledger.git import Ledger
from pipelines.ledger.refs import contents, entries, every
from pipelines.ledger.store import Store

ERASED = "erased/"
_MD5 = re.compile(rb"""md5["']?: *["']?([0-9a-f]{32}(?:\.dir)?)\b""")
_REFS = ("refs/heads/data", "refs/heads/run/", "refs/tags/runs/")


@dataclass
class Marks:
    """`needed` objects, and those `erased` that nobody needs; `unsure`: why nobody can tell what else is needed."""

    needed: set[str] = field(default_factory=set)
    erased: set[str] = field(default_factory=set)
    unsure: list[str] = field(default_factory=list)

    @classmethod
    def of(cls, settings: Settings, ledgers: Iterable[Ledger], without: Collection[str] = ()) -> Self:
        """What hangs on the refs of all `ledgers`, as of their last fetch, but for the refs `without`.

        `without` holds `<model> <full name>`. A file that an erasure names counts for refs that were made after it, not
        for older ones: those still list the person's rows.

        Where a directory's list is neither in its place nor on the shelf, or a record of an erasure cannot be read,
        `unsure` says so, and nothing may be swept: whose it was, others may need.

        Raises:
            PassingFault: the remote cannot be reached.
        """
        found, erased = cls(), set[str]()
        store = Store.open(settings, settings.workspaces / "gc" / "data", scm=False)
        try:
            for ledger in ledgers:
                skipped = {name.partition(" ")[2] for name in without if name.startswith(f"{ledger.model} ")}
                try:
                    erased |= _mark(ledger, skipped, store, found)
                except IntegrityError as error:
                    found.unsure.append(f"{ledger.model}: {error.line()}")
        finally:
            store.close()
        found.erased = set() if found.unsure else erased - found.needed
        return found


def erasures(ledger: Ledger) -> dict[str, dict[str, list[str]]]:
    """Path to content of the erasures on branch `data`, as of the last fetch.

    Raises:
        UnreadableRecord: one is not what `erase` writes.
    """
    head = ledger.head("data")
    paths = ledger.tree(head, ERASED) if head else []
    found = reader.records(ledger, ((head or "", path) for path in paths))
    return {path: erasure_of(item) for (_, path), item in found.items()}


def erasure_of(found: reader.Record) -> dict[str, Any]:
    """The record of an erasure; raises UnreadableRecord."""
    fields = found.fields()
    for name in ("objects", "runs"):
        for item in fields.get(name, list):
            reader.of_kind(item, str, found.where, name)
    return fields.value


def _mark(ledger: Ledger, skipped: set[str], store: Store, marks: Marks) -> set[str]:
    """Add what the refs of `ledger` need to `marks`; the objects that its erasures name."""
    told = {path: set(value["objects"]) for path, value in erasures(ledger).items()}
    refs = {name: commit for name, (commit, _) in every(ledger).items() if name.startswith(_REFS)}
    trees = {commit: entries(ledger, commit) for name, commit in refs.items() if name not in skipped}
    listing = {commit: [blob for path, blob in tree.items() if _lists(path)] for commit, tree in trees.items()}
    text = contents(ledger, (blob for blobs in listing.values() for blob in blobs))
    named = {blob: {md5.decode() for md5 in _MD5.findall(content)} for blob, content in text.items()}
    folders = sorted({md5 for found in named.values() for md5 in found if md5.endswith(".dir")})
    inside, lost = _inside(folders, store)
    if lost:
        # Of a run that somebody has set aside nobody needs what is lost.
        aside = {f"{kind}{run}" for run in broken.discarded(ledger) for kind in _REFS}
        others = (listing.get(at, ()) for name, at in refs.items() if name not in aside)
        needing = {md5 for blobs in others for blob in blobs for md5 in named[blob]}
        marks.unsure += [f"{ledger.model}: {lost[oid]}" for oid in sorted(needing.intersection(lost))]
    for commit, blobs in listing.items():
        direct = {md5 for blob in blobs for md5 in named[blob]}
        own = direct.union(*(inside[oid] for oid in direct if oid in inside))
        gone = [objects for path, objects in told.items() if path not in trees[commit]]
        marks.needed |= own.difference(*gone)
    return set().union(*told.values())


def _inside(folders: Sequence[str], store: Store) -> tuple[dict[str, set[str]], dict[str, str]]:
    """What each of the directories lists; and of those that are lost, why."""
    try:
        store.fetch(folders)
        return {oid: set(store.folder(oid).values()) for oid in folders}, {}
    except IntegrityError:
        found: dict[str, set[str]] = {}
        lost: dict[str, str] = {}
        for oid in folders:
            try:
                found[oid] = set(store.folder(oid).values())
            except IntegrityError as error:
                lost[oid] = error.line()
        return found, lost


def _lists(path: str) -> bool:
    """Whether a file of a ledger names objects."""
    return path.endswith((".dvc", ".lock")) or path in ("window.json", stamps.NOTE) or path.startswith("manifest/")

"""Takes arrivals into the ledger: bytes to the DVC remote first, then manifest and profiles onto the `data` branch."""

from __future__ import annotations

import hashlib
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

from pipelines.config.settings import Settings
from pipelines.errors import InputError, IntegrityError, PassingFault, PushRefused
from pipelines.ledger import reader, suppression
from pipelines.ledger.git import Ledger
from pipelines.ledger.locks import locked
from pipelines.ledger.manifest import (
    Manifest,
    Partition,
    build_window,
    lake_path,
    load_manifest,
    manifest_path,
)
from pipelines.ledger.store import Store
from pipelines.storage import bounded
from pipelines.storage.files import json_bytes

__all__ = ["Arrival", "Manifest", "Partition", "build_window", "load_manifest", "publish"]
_ATTEMPTS = 20


@dataclass
class Arrival:
    """A judged partition on its way in. `file` holds its bytes (None: quarantined, only the verdict is kept)."""

    partition: Partition
    file: Path | None = None
    profile: dict[str, Any] | None = None


def publish(
    settings: Settings,
    ledger: Ledger,
    arrivals: Sequence[Arrival],
    message: str,
    progress: Callable[[str], None] = lambda _: None,
    grids: Mapping[str, dict[str, Any]] | None = None,
    suppressed: bytes | None = None,
    types: Mapping[str, Mapping[str, str]] | None = None,
) -> str:
    """Take `arrivals` in and return the head of `data` that holds them all.

    `grids`, by table, are kept with them where a table has none yet. `suppressed` is the list of erased rows by which
    the arrivals were cleared (None: there was none). `types`, by table, are the types of its columns that the arrivals
    were brought to, as text: those of new columns are kept for later partitions.

    `revision`, `path` and `md5` of the partitions are filled in here: a partition seen for the first time is revision
    1, other bytes for a known one are the next revision, and the same bytes judged by the same suite with the same
    verdict change nothing. What another process published meanwhile stays; ours goes on top.

    Raises:
        IntegrityError: a file is not what its `sha256` says.
        PassingFault: remote or ledger cannot be reached, or rows were erased or other types settled meanwhile; nothing
            is published, repeating it is safe.
    """
    for arrival in arrivals:
        _check(arrival)
    folder = settings.workspaces / ledger.model / "data"
    with locked(folder.with_suffix(".lock"), what="the ledger's data", seconds=600):
        return _Publication(
            settings, ledger, folder, arrivals, message, progress, grids or {}, suppressed, types or {}
        ).run()


class _Publication:
    def __init__(
        self,
        settings: Settings,
        ledger: Ledger,
        folder: Path,
        arrivals: Sequence[Arrival],
        message: str,
        progress: Callable[[str], None],
        grids: Mapping[str, dict[str, Any]],
        suppressed: bytes | None,
        types: Mapping[str, Mapping[str, str]],
    ) -> None:
        self._settings, self._ledger, self._folder = settings, ledger, folder
        self._arrivals, self._message, self._progress, self._grids = arrivals, message, progress, grids
        self._suppressed, self._types = suppressed, types
        self._md5: dict[Path, str] = {}
        self._new: dict[str, Path] = {}
        self._store: Store | None = None

    def run(self) -> str:
        try:
            for _ in range(_ATTEMPTS):
                self._ledger.fetch()
                head = self._ledger.head("data")
                if head is None:
                    raise IntegrityError("has no branch data", where=self._ledger.url, remedy="mend the ledger")
                changes = self._changes(head)
                if not changes:
                    return head
                try:
                    return self._ledger.commit("data", changes, self._message, parent=head)
                except PushRefused:
                    self._progress("another process published meanwhile, going on top of it")
            raise PushRefused("the ledger never stood still", where="data", remedy="try again")
        finally:
            if self._store:
                self._store.close()

    def _changes(self, head: str) -> dict[str, bytes | None]:
        if self._ledger.read(head, suppression.PATH) != self._suppressed:
            raise PassingFault("rows were erased meanwhile", where=suppression.PATH, remedy="ingest again")
        months = {arrival.partition.month for arrival in self._arrivals}
        manifest = load_manifest(self._ledger, head, months)
        self._new.clear()
        fresh = [placed for arrival in self._arrivals if (placed := self._place(manifest, arrival))]
        if not fresh:
            return {}
        touched = sorted({(item.table, item.month) for item, _ in fresh})
        changes: dict[str, bytes | None] = {
            manifest_path(table, month): manifest.file(table, month) for table, month in touched
        }
        changes |= self._profiles(head, fresh)
        known = load_grids(self._ledger, self._grids, head)
        changes |= {_grid_path(table): json_bytes(grid) for table, grid in self._grids.items() if table not in known}
        changes |= self._new_types(head)
        with_bytes = sorted({(item.table, item.month) for item, _ in fresh if item.md5 in self._new})
        if with_bytes:
            changes |= self._bytes(manifest, with_bytes)
        return changes

    def _place(self, manifest: Manifest, arrival: Arrival) -> tuple[Partition, Arrival] | None:
        """Give the arrival its revision and put it into the manifest; None: it is there already, as it is."""
        item, known = arrival.partition, manifest.latest(arrival.partition.table, arrival.partition.partition)
        same_bytes = known is not None and known.sha256 == item.sha256
        if known and same_bytes and (known.suite, known.verdict) == (item.suite, item.verdict):
            return None
        revision = known.revision + (0 if same_bytes else 1) if known else 1
        kept = known.path if known and same_bytes else ""
        md5 = known.md5 if known and kept else ""
        if arrival.file and not kept:
            kept, md5 = lake_path(item.table, item.partition, revision), self._hash(arrival.file, item)
            self._new[md5] = arrival.file
        placed = replace(item, revision=revision, path=kept, md5=md5)
        manifest.put(placed)
        return placed, arrival

    def _new_types(self, head: str) -> dict[str, bytes | None]:
        """The types of columns that have none yet; those that another process settled otherwise undo our work."""
        known = load_types(self._ledger, self._types, head)
        changes: dict[str, bytes | None] = {}
        for table, ours in self._types.items():
            theirs = known.get(table, {})
            if any(theirs[name] != kind for name, kind in ours.items() if name in theirs):
                raise PassingFault(
                    "column types were settled meanwhile", where=_types_path(table), remedy="ingest again"
                )
            if ours.keys() - theirs.keys():
                changes[_types_path(table)] = json_bytes({"format": 1, "columns": {**ours, **theirs}})
        return changes

    def _hash(self, file: Path, item: Partition) -> str:
        if file not in self._md5:
            self._md5[file] = _verified_md5(file, item)
        return self._md5[file]

    def _bytes(self, manifest: Manifest, months: list[tuple[str, str]]) -> dict[str, bytes | None]:
        self._progress(f"{len(self._new)} files into the DVC remote")
        store = self._store = self._store or Store.open(self._settings, self._folder, scm=False)
        store.add(self._new)
        changes: dict[str, bytes | None] = {}
        folders = []
        for table, month in months:
            entries = {
                item.path.rpartition("/")[2]: (item.md5, item.bytes)
                for item in manifest.month(table, month)
                if item.path
            }
            oid, size = store.add_folder(entries)
            folders.append(oid)
            changes[f"lake/{table}/{month}.dvc"] = dvc_file(month, oid, size, len(entries))
        store.push([*self._new, *folders])
        return changes

    def _profiles(self, head: str, fresh: list[tuple[Partition, Arrival]]) -> dict[str, bytes | None]:
        shards: dict[str, dict[str, Any]] = {}
        for item, arrival in fresh:
            if arrival.profile is None:
                continue
            path = f"profiles/{item.table}/{item.month}.json"
            if path not in shards:
                old = self._ledger.read(head, path)
                shards[path] = profiles_in(self._ledger, head, path, old)
            name = item.partition if item.revision == 1 else f"{item.partition}.r{item.revision}"
            shards[path][name] = arrival.profile
        return {path: json_bytes({"format": 1, "profiles": profiles}) for path, profiles in shards.items()}


def load_grids(ledger: Ledger, tables: Iterable[str], commit: str | None = None) -> dict[str, dict[str, Any]]:
    """Table to the grid by which its partitions are profiled, as JSON, at `commit` (default: the head of `data`)."""
    return {table: found.value for table, found in _by_table(ledger, tables, _grid_path, commit).items()}


def load_types(ledger: Ledger, tables: Iterable[str], commit: str | None = None) -> dict[str, dict[str, str]]:
    """Table to the types of its columns, as text, that its partitions are brought to; as `load_grids` does."""
    found = _by_table(ledger, tables, _types_path, commit)
    return {table: _texts(fields.inside("columns")) for table, fields in found.items()}


def _by_table(
    ledger: Ledger, tables: Iterable[str], path_of: Callable[[str], str], commit: str | None
) -> dict[str, reader.Fields]:
    """The record of each table that has one."""
    at = commit or ledger.head("data")
    if at is None:
        return {}
    paths = {table: path_of(table) for table in tables}
    found = ledger.read_many((at, path) for path in paths.values())
    return {
        table: reader.Record(reader.where_of(ledger, at, path), content).fields()
        for table, path in paths.items()
        if (content := found[at, path])
    }


def _texts(fields: reader.Fields) -> dict[str, str]:
    return {key: fields.get(key, str) for key in fields.value}


def load_profiles(ledger: Ledger, partitions: Iterable[Partition], commit: str | None = None) -> list[dict[str, Any]]:
    """The profiles of `partitions` at `commit` (default: the head of `data`), in their order, where there are any."""
    at = commit or ledger.head("data")
    wanted = [
        (f"profiles/{p.table}/{p.month}.json", p.partition if p.revision == 1 else f"{p.partition}.r{p.revision}")
        for p in partitions
    ]
    if at is None:
        return []
    found = ledger.read_many((at, path) for path, _ in wanted)
    shards = {path: profiles_in(ledger, at, path, content) for (_, path), content in found.items()}
    return [shards[path][name] for path, name in wanted if name in shards.get(path, {})]


def profiles_in(ledger: Ledger, at: str, path: str, content: bytes | None) -> dict[str, Any]:
    """The profiles in the file `path` of a month, by partition; none where there is no such file."""
    if content is None:
        return {}
    found = reader.Record(reader.where_of(ledger, at, path), content)
    return found.fields(limit=bounded.MAX_PROFILES).get("profiles", dict)


def _grid_path(table: str) -> str:
    return f"grids/{table}.json"


def _types_path(table: str) -> str:
    return f"types/{table}.json"


def _check(arrival: Arrival) -> None:
    item = Partition.from_dict({**arrival.partition.to_dict(), "path": ""})
    if item.accepted and arrival.file is None:
        raise InputError(f"{item.table} {item.partition} is accepted but has no bytes", where="publish")
    if not item.accepted and arrival.file is not None:
        raise InputError(f"{item.table} {item.partition} is quarantined: its bytes stay outside", where="publish")


def _verified_md5(file: Path, partition: Partition) -> str:
    sha256, md5 = hashlib.sha256(), hashlib.md5(usedforsecurity=False)
    with file.open("rb") as source:
        while block := source.read(1 << 20):
            sha256.update(block)
            md5.update(block)
    if sha256.hexdigest() != partition.sha256 or (partition.md5 and partition.md5 != md5.hexdigest()):
        raise IntegrityError(
            f"has sha256 {sha256.hexdigest()[:12]}, was judged as {partition.sha256[:12]}",
            where=f"{partition.table} {partition.partition}",
            remedy="it changed while it was read; ingest it again",
        )
    return md5.hexdigest()


def dvc_file(month: str, oid: str, size: int, count: int) -> bytes:
    """The `.dvc` file of a month's directory `oid` of `count` files and `size` bytes."""
    return f"outs:\n- md5: {oid}\n  size: {size}\n  nfiles: {count}\n  hash: md5\n  path: {month}\n".encode()

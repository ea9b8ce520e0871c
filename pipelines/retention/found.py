"""Where the rows with a key lie: revisions of partitions, files of predictions, runs that were trained on them."""

from __future__ import annotations

import re
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING

from pipelines.config.model import Model
from pipelines.config.settings import Settings
from pipelines.errors import ConfigError, UnreadableRecord, shorten
from pipelines.ledger.git import Ledger
from pipelines.ledger.lockfile import Out, Pipeline
from pipelines.ledger.manifest import Manifest, Partition
from pipelines.ledger.refs import every
from pipelines.ledger.store import Store
from pipelines.ledger.suppression import Suppression
from pipelines.night import reference
from pipelines.retention.kept import BRANCH, TAG, protected
from pipelines.storage.erasing import held

if TYPE_CHECKING:
    import pyarrow as pa

FEATURES = "out/features"
_MD5 = re.compile(rb"\b[0-9a-f]{32}\b")


@dataclass(frozen=True)
class Key:
    """Which rows: `values`, as text, of `columns` of `table`."""

    table: str
    columns: tuple[str, ...]
    values: tuple[str, ...]

    @classmethod
    def parse(cls, model: Model, table: str, texts: Sequence[str]) -> Key:
        """The key of `COLUMN=VALUE` texts, or of one bare value where the table's key is one column.

        Raises:
            ConfigError: there is no such table, a column is named twice, or a bare value is not enough.
        """
        if table not in model.tables:
            known = ", ".join(model.tables)
            raise ConfigError(f"{shorten(repr(table))} is no table of the model", where="--table", remedy=known)
        own = model.tables[table].key
        if len(texts) == 1 and "=" not in texts[0] and len(own) == 1:
            return cls(table, own, (texts[0],))
        pairs = dict(text.split("=", 1) for text in texts if "=" in text)
        if not pairs or len(pairs) != len(texts):
            raise ConfigError("does not say which rows", where="--key", remedy=f"write it as {own[0]}=VALUE")
        columns = tuple(sorted(pairs))
        return cls(table, columns, tuple(pairs[name] for name in columns))


@dataclass(frozen=True)
class Hit:
    """A revision that holds such rows: how many, and the keys of those rows where it is of the events."""

    item: Partition
    rows: int
    keys: pa.Table | None


@dataclass
class Search:
    """Looks into every revision of the key's table; what was looked at once is known by its md5."""

    settings: Settings
    ledger: Ledger
    model: Model
    key: Key
    erased: Suppression
    _known: dict[str, Hit | None] = field(default_factory=dict)

    def adopt(self, found: Suppression) -> None:
        """Go by the ledger's list; what was hashed by another salt is forgotten."""
        if found.content is None:
            return
        if found.salt != self.erased.salt:
            self._known.clear()
        self.erased = found

    @property
    def digest(self) -> str:
        """The hash that stands for the key."""
        return self.erased.digest(self.key.table, self.key.columns, self.key.values)

    def mask(self, table: pa.Table, prefix: str = "") -> pa.Array | None:
        """Which rows have the key; in `table` its columns may begin with a `prefix`."""
        names = [f"{prefix}{name}" for name in self.key.columns]
        if not set(names) <= set(table.column_names):
            return None
        renamed = table.select(names).rename_columns(list(self.key.columns))
        return held(renamed, {self.key.columns: {self.digest}}, partial(self.erased.digest, self.key.table))

    def hits(self, manifest: Manifest, store: Store) -> list[Hit]:
        """The revisions in `manifest` that hold such rows.

        Raises:
            ConfigError: the table has no such column.
            IntegrityError: a revision's bytes are not what the ledger says.
            PassingFault: the remote cannot be reached.
        """
        items = [item for item in manifest if item.table == self.key.table and item.path]
        new = [item for item in items if item.md5 not in self._known]
        store.fetch([item.md5 for item in new])
        for item in new:
            self._known[item.md5] = self._look(item, store.cached(item.md5))
        return [Hit(item, hit.rows, hit.keys) for item in items if (hit := self._known[item.md5])]

    def _look(self, item: Partition, path: Path) -> Hit | None:
        from pipelines.storage.parquet import read_table

        table = read_table(path)
        lacking = [name for name in self.key.columns if name not in table.column_names]
        if lacking:
            there = ", ".join(table.column_names)
            raise ConfigError(f"table {item.table} has no column {lacking[0]}", where=item.path, remedy=there)
        gone = self.mask(table)
        if gone is None:
            return None
        events = item.table == self.model.events
        keys = table.select(list(self.model.tables[item.table].key)).filter(gone) if events else None
        return Hit(item, sum(gone.to_pylist()), keys)


@dataclass(frozen=True)
class Trained:
    """The runs whose window held such rows, the objects of their feature tables that do, and what cannot go yet."""

    runs: tuple[str, ...]
    objects: frozenset[str]
    waiting: tuple[str, ...]


def trained(ledger: Ledger, store: Store, md5s: set[str], months: set[str]) -> Trained:
    """The runs trained on partitions with these md5s. `months` are those of events, whose rows feature tables hold.

    A champion's feature table is needed until its first night has made its reference of it: such a run is `waiting`.
    """
    refs = {name: commit for name, (commit, _) in every(ledger).items() if name.startswith((TAG, BRANCH))}
    windows = {name: ledger.read(commit, "window.json") for name, commit in refs.items()}
    found, needed = dict[str, list[str]](), protected(ledger)
    for name, content in windows.items():
        # By its text, as `marks` does: a window that cannot be read may well hold a person's rows.
        if content and {md5.decode() for md5 in _MD5.findall(content)} & md5s:
            found.setdefault(name.rpartition("/")[2], []).append(refs[name])
    waiting = {run for run in found if months and run in needed and reference.known(ledger, run) is None}
    tables = {run: _features(ledger, store, commits, months) for run, commits in found.items()} if months else {}
    # Runs that made the same features of a month share its object.
    kept = set[str]().union(*(tables[run] for run in waiting))
    return Trained(tuple(sorted(found)), frozenset(set().union(*tables.values()) - kept), tuple(sorted(waiting)))


def _features(ledger: Ledger, store: Store, commits: Iterable[str], months: set[str]) -> set[str]:
    outs = [_out(ledger, commit) for commit in commits]
    folders = {out.md5 for out in outs if out and out.md5}
    return {md5 for oid in folders for name, md5 in store.folder(oid).items() if Path(name).stem in months}


def _out(ledger: Ledger, commit: str) -> Out | None:
    """The feature table of a run; None where it has none, or it cannot be read and so can make none again."""
    try:
        return Pipeline(ledger, commit).out_of(f"{FEATURES}/data")
    except UnreadableRecord:
        return None

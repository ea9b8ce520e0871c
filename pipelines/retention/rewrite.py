"""Partitions without a person's rows: new revisions of those in use, and no bytes of those that held them."""

from __future__ import annotations

import hashlib
from collections.abc import Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

from pipelines.databug.twins import with_twins
from pipelines.drift.grid import Grid
from pipelines.drift.profile import profile
from pipelines.ledger.data import dvc_file, load_grids, profiles_in
from pipelines.ledger.manifest import Manifest, Partition, lake_path, manifest_path
from pipelines.ledger.store import Store
from pipelines.retention.found import Hit, Search
from pipelines.storage.erasing import write_without
from pipelines.storage.files import json_bytes, sha256_file
from pipelines.storage.parquet import load

Changes = dict[str, bytes | None]


@dataclass
class Rewriting:
    """One erasure's changes of `manifest`, made on top of the commit `head`; `record` names it in the ledger."""

    search: Search
    head: str
    manifest: Manifest
    store: Store
    scratch: Path
    record: str

    def changes(self, hits: Sequence[Hit]) -> tuple[Changes, list[dict[str, Any]]]:
        """What to commit on `data`, and each revision for the record. New bytes are in the remote afterwards.

        Raises:
            PassingFault: the remote cannot be reached.
        """
        told, shards = [], dict[str, dict[str, Any]]()
        fresh: dict[str, Path] = {}
        for hit in hits:
            made = self._without(hit.item, fresh, shards) if self._used(hit.item) else None
            reason = f"its bytes are erased, see {self.record}"
            blank = replace(hit.item, path="", md5="", verdict="quarantined", reasons=(*hit.item.reasons, reason))
            self.manifest.put(blank)
            told.append(_told(hit, made))
            if made:
                self.manifest.put(made)
        self.store.add(fresh)
        changes = self._months({hit.item.month for hit in hits}, fresh)
        changes |= {path: json_bytes({"format": 1, "profiles": shard}) for path, shard in shards.items()}
        return changes, told

    def _used(self, item: Partition) -> bool:
        found = self.manifest.accepted(item.table, item.partition)
        return found is not None and found.revision == item.revision

    def _without(self, item: Partition, fresh: dict[str, Path], shards: dict[str, dict[str, Any]]) -> Partition:
        """The next revision of `item`, its file among `fresh` and its profile in a shard."""
        newest = self.manifest.latest(item.table, item.partition)
        revision = (newest.revision if newest else 0) + 1
        data = load(self.store.cached(item.md5), self.search.model.validation)[1]
        gone = self.search.mask(data)
        if gone is None:
            raise AssertionError(f"{item.path} held the rows a moment ago")
        target = self.scratch / f"{item.partition}.r{revision}.parquet"
        left = write_without(target, data, gone)
        content = target.read_bytes()
        md5 = hashlib.md5(content, usedforsecurity=False).hexdigest()
        fresh[md5] = target
        path = f"profiles/{item.table}/{item.month}.json"
        if path not in shards:
            old = self.search.ledger.read(self.head, path)
            shards[path] = profiles_in(self.search.ledger, self.head, path, old)
        grid = load_grids(self.search.ledger, [item.table], self.head).get(item.table)
        own = Grid.from_json(grid) if grid else None
        shards[path][f"{item.partition}.r{revision}"] = (
            profile(with_twins(left, own.columns), own) if own else profile(left)
        )
        return replace(
            item,
            revision=revision,
            path=lake_path(item.table, item.partition, revision),
            sha256=sha256_file(target),
            md5=md5,
            rows=left.num_rows,
            bytes=len(content),
            warnings=(*item.warnings, f"rows were erased, see {self.record}"),
        )

    def _months(self, months: set[str], fresh: dict[str, Path]) -> Changes:
        table = self.search.key.table
        changes: Changes = {}
        folders = []
        for month in sorted(months):
            items = [item for item in self.manifest.month(table, month) if item.path]
            oid, size = self.store.add_folder({i.path.rpartition("/")[2]: (i.md5, i.bytes) for i in items})
            folders.append(oid)
            changes[manifest_path(table, month)] = self.manifest.file(table, month)
            changes[f"lake/{table}/{month}.dvc"] = dvc_file(month, oid, size, len(items))
        self.store.push([*fresh, *folders])
        return changes


def _told(hit: Hit, made: Partition | None) -> dict[str, Any]:
    return {
        "partition": hit.item.partition,
        "revision": hit.item.revision,
        "rows": hit.rows,
        "old_sha256": hit.item.sha256,
        "new_sha256": made.sha256 if made else None,
        "new_revision": made.revision if made else None,
    }

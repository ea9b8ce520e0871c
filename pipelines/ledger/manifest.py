"""What the ledger knows of every partition, kept as one JSON file per table and month."""

from __future__ import annotations

import json
from collections.abc import Iterable, Iterator
from dataclasses import asdict, dataclass, fields
from datetime import date, timedelta
from typing import Any, Literal, Self

from pipelines.config import names
from pipelines.config.model import Role
from pipelines.config.params import RunParams
from pipelines.errors import UnreadableRecord, shorten
from pipelines.ledger import reader
from pipelines.ledger.git import Ledger
from pipelines.storage.files import json_bytes

Verdict = Literal["accepted", "quarantined"]


@dataclass(frozen=True)
class Partition:
    """One revision of one day (or the whole) of a table. `path` is empty where no bytes were taken in.

    `sha256` is that of the bytes taken in. Where columns had to be brought to their types first, these are not the
    bytes that came: `delivered` is the sha256 of those then, else it is empty.
    """

    table: str
    partition: str
    revision: int
    path: str
    sha256: str
    md5: str
    rows: int
    bytes: int
    source: str
    etag: str
    verdict: Verdict
    suite: str
    reasons: tuple[str, ...] = ()
    warnings: tuple[str, ...] = ()
    delivered: str = ""

    @property
    def came_as(self) -> str:
        """The sha256 of the bytes that came."""
        return self.delivered or self.sha256

    @property
    def accepted(self) -> bool:
        """Whether a run may read it."""
        return self.verdict == "accepted"

    @property
    def month(self) -> str:
        """The month it is kept under: `YYYY-MM`, or `static`."""
        return month_of(self.partition)

    def to_dict(self) -> dict[str, Any]:
        """Its plain JSON form."""
        value: dict[str, Any] = json.loads(json.dumps(asdict(self)))
        if not self.delivered:
            del value["delivered"]
        return value

    @classmethod
    def from_dict(cls, value: dict[str, Any]) -> Self:
        """The partition `to_dict` gave; raises IntegrityError for anything else, whatever is in it."""
        try:
            if set(value) | {"delivered"} != {field.name for field in fields(cls)} or value["verdict"] not in (
                "accepted",
                "quarantined",
            ):
                raise ValueError
            made = cls(**{**value, "reasons": tuple(value["reasons"]), "warnings": tuple(value["warnings"])})
            if any(not _is(getattr(made, field.name), field.type) for field in fields(cls)):
                raise ValueError
            names.table_name(made.table)
            names.partition_name(made.partition)
            if made.path not in ("", lake_path(made.table, made.partition, made.revision)):
                raise ValueError
        except (TypeError, ValueError, KeyError):
            named = {name: value.get(name) for name in ("table", "partition", "revision")}
            raise UnreadableRecord(
                f"{shorten(repr(named), 120)} is no partition", where="manifest", remedy="mend the ledger"
            ) from None
        return made


class Manifest:
    """All revisions of all partitions of a ledger's commit, or of some months of it."""

    def __init__(self, partitions: Iterable[Partition] = ()) -> None:
        self._revisions: dict[tuple[str, str], list[Partition]] = {}
        for item in sorted(partitions, key=lambda p: (p.table, p.partition, p.revision)):
            self._revisions.setdefault((item.table, item.partition), []).append(item)

    def __iter__(self) -> Iterator[Partition]:
        return (item for revisions in self._revisions.values() for item in revisions)

    def latest(self, table: str, partition: str) -> Partition | None:
        """The newest revision, whatever its verdict; None: never seen."""
        revisions = self._revisions.get((table, partition))
        return revisions[-1] if revisions else None

    def accepted(self, table: str, partition: str) -> Partition | None:
        """The newest accepted revision: a correction that was quarantined leaves the one before in use."""
        revisions = self._revisions.get((table, partition), [])
        return next((item for item in reversed(revisions) if item.accepted), None)

    def days(self, table: str) -> list[date]:
        """The days of `table` that have an accepted revision, in order."""
        return [
            date.fromisoformat(partition)
            for (name, partition), revisions in sorted(self._revisions.items())
            if name == table and partition != names.STATIC and any(item.accepted for item in revisions)
        ]

    def find_sha(self, table: str, sha256: str) -> Partition | None:
        """The newest entry of `table` with these bytes; None: never seen."""
        found = [item for item in self if item.table == table and item.sha256 == sha256]
        return found[-1] if found else None

    def put(self, item: Partition) -> None:
        """Add a revision, or replace the entry of the same revision."""
        revisions = self._revisions.setdefault((item.table, item.partition), [])
        revisions[:] = sorted([p for p in revisions if p.revision != item.revision] + [item], key=lambda p: p.revision)

    def month(self, table: str, month: str) -> list[Partition]:
        """All revisions kept under a table's month, sorted."""
        found = [item for item in self if item.table == table and item.month == month]
        return sorted(found, key=lambda p: (p.partition, p.revision))

    def file(self, table: str, month: str) -> bytes:
        """The manifest file of a table's month: the same bytes for the same entries."""
        entries = [item.to_dict() for item in self.month(table, month)]
        return json_bytes({"format": 1, "table": table, "month": month, "partitions": entries})


def month_of(partition: str) -> str:
    """`2013-01` of `2013-01-31`; `static` of `static`."""
    return partition if partition == names.STATIC else partition[:7]


def lake_path(table: str, partition: str, revision: int) -> str:
    """Where a revision's bytes lie in a workspace."""
    suffix = f".r{revision}" if revision > 1 else ""
    return f"lake/{table}/{month_of(partition)}/{partition}{suffix}.parquet"


def manifest_path(table: str, month: str) -> str:
    """Where a table's month is listed."""
    return f"manifest/{table}/{month}.json"


def load_manifest(ledger: Ledger, commit: str | None = None, months: Iterable[str] | None = None) -> Manifest:
    """The manifest at `commit` (default: the head of `data`), of all months or only those given (`2013-01`, `static`).

    Raises:
        IntegrityError: a manifest file is not what this program writes.
    """
    at = commit or ledger.head("data")
    if at is None:
        return Manifest()
    chosen = None if months is None else set(months)
    paths = [
        path
        for path in ledger.tree(at, "manifest")
        if chosen is None or path.rpartition("/")[2].removesuffix(".json") in chosen
    ]
    found = ledger.read_many((at, path) for path in paths)
    return Manifest(item for (_, path), content in found.items() for item in _entries(ledger, at, path, content or b""))


def build_window(manifest: Manifest, params: RunParams) -> dict[str, Any]:
    """The contents of `window.json`: what a run reads, what was quarantined, and what is missing in its span."""
    span = params.span
    days = [(span.first + timedelta(days=n)).isoformat() for n in range((span.as_of - span.first).days + 1)]
    wanted = [
        (table, partition)
        for table in sorted(params.tables)
        for partition in ([names.STATIC] if params.tables[table].role is Role.STATIC else days)
    ]
    partitions, quarantined, missing = [], [], []
    for table, partition in wanted:
        item, newest = manifest.accepted(table, partition), manifest.latest(table, partition)
        if item:
            partitions.append(item.to_dict())
        elif newest:
            quarantined.append(
                {"table": table, "partition": partition, "sha256": newest.sha256, "reasons": list(newest.reasons)}
            )
        else:
            missing.append({"table": table, "partition": partition})
    return {
        "as_of": span.as_of.isoformat(),
        "first": span.first.isoformat(),
        "last": span.as_of.isoformat(),
        "partitions": partitions,
        "quarantined": quarantined,
        "missing": missing,
    }


def _entries(ledger: Ledger, at: str, path: str, content: bytes) -> list[Partition]:
    found = reader.Record(reader.where_of(ledger, at, path), content).fields()
    return [Partition.from_dict(entry.value) for entry in found.each("partitions")]


def _is(value: object, kind: object) -> bool:
    """Whether a field of a partition has its type; `kind` is the annotation, as text."""
    if kind == "int":
        return isinstance(value, int) and not isinstance(value, bool) and value >= 0
    if kind == "tuple[str, ...]":
        return isinstance(value, tuple) and all(isinstance(item, str) for item in value)
    return isinstance(value, str)

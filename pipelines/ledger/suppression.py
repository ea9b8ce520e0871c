"""The rows that must never come back, on branch `data`: by a salted hash of their key, never by the key itself.

On `data`, so that one commit removes rows and forbids them, and nothing judged before it can be published after.
"""

from __future__ import annotations

import hashlib
import hmac
import json
import secrets
from dataclasses import asdict, dataclass
from typing import Self

from pipelines.errors import UnreadableRecord
from pipelines.ledger import reader
from pipelines.ledger.git import Ledger
from pipelines.storage.files import json_bytes

PATH = "suppressed.json"


@dataclass(frozen=True)
class Entry:
    """Rows of `table` whose `columns` have values of this `hash`; `erasure` names the record of it."""

    table: str
    columns: tuple[str, ...]
    hash: str
    erasure: str


@dataclass(frozen=True)
class Suppression:
    """A ledger's list. `content` is the file it was read from; None: there is none yet."""

    salt: str
    entries: tuple[Entry, ...] = ()
    content: bytes | None = None

    @classmethod
    def load(cls, ledger: Ledger, commit: str | None = None) -> Self:
        """The list at `commit` (default: the head of `data`), or an empty one with a new salt.

        Raises:
            IntegrityError: the file is not what this program writes.
        """
        at = commit or ledger.head("data")
        content = ledger.read(at, PATH) if at else None
        if content is None:
            return cls(secrets.token_hex(32))
        try:
            fields = reader.Record(reader.where_of(ledger, at or "data", PATH), content).fields()
            entries = tuple(_entry(item) for item in fields.each("entries"))
            salt = fields.get("salt", str)
            bytes.fromhex(salt)
            return cls(salt, entries, content)
        except (UnreadableRecord, ValueError, TypeError) as error:
            told = f": {error.what}" if isinstance(error, UnreadableRecord) else ""
            where = f"{ledger.model} data: {PATH}"
            raise UnreadableRecord(f"is no list of erased rows{told}", where=where, remedy="mend the ledger") from None

    def digest(self, table: str, columns: tuple[str, ...], values: tuple[str, ...]) -> str:
        """The hash that stands for these values of these columns."""
        said = json.dumps([table, columns, values], ensure_ascii=False).encode()
        return hmac.new(bytes.fromhex(self.salt), said, hashlib.sha256).hexdigest()

    def of(self, table: str) -> dict[tuple[str, ...], frozenset[str]]:
        """Columns to the hashes of their values that `table` must not hold."""
        own = [entry for entry in self.entries if entry.table == table]
        return {columns: frozenset(e.hash for e in own if e.columns == columns) for columns in {e.columns for e in own}}

    def with_entry(self, entry: Entry) -> Self:
        """The same with one more; one that is there already stays alone."""
        return self if entry in self.entries else type(self)(self.salt, (*self.entries, entry), self.content)

    def to_bytes(self) -> bytes:
        """The file of it."""
        return json_bytes({"format": 1, "salt": self.salt, "entries": [asdict(entry) for entry in self.entries]})


def _entry(item: reader.Fields) -> Entry:
    columns = tuple(reader.of_kind(name, str, item.where, "columns") for name in item.get("columns", list))
    return Entry(item.get("table", str), columns, item.get("hash", str), item.get("erasure", str))

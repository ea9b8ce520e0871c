"""Reads records of a ledger: each on its own, within caps, with the types that its writer gives it; else a named error.

Whoever asks for many gets every one that can be read: a bad one says so when it is looked into, and stops no other.
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from typing import Any, TypeVar, overload

from pipelines.config import names
from pipelines.errors import ConfigError, UnreadableRecord, shorten
from pipelines.ledger.git import Ledger
from pipelines.storage import bounded

GATES, METRICS = "out/evaluate/gates.json", "out/evaluate/metrics.json"
JUDGED = "champion/champion.json"
REQUEST = "run.json"
EVIDENCE_LIMIT = 16 << 20  # of what a run says of itself: thousands of gates
T = TypeVar("T")
_WORDS = {dict: "an object", list: "a list", str: "text", bool: "true or false", int: "a whole number"}
_NEEDED: Any = object()


@dataclass(frozen=True)
class Record:
    """One file at one commit. `where` names model, ref and path; `content` is None where there is no such file."""

    where: str
    content: bytes | None
    fault: UnreadableRecord | None = None

    @property
    def missing(self) -> bool:
        """Whether there is no such file."""
        return self.content is None and self.fault is None

    def value(self, *, limit: int = bounded.MAX_JSON) -> Any:
        """What it says.

        Raises:
            UnreadableRecord: it is not there, no document of its kind, or beyond a cap.
        """
        if self.fault is not None:
            raise self.fault
        if self.content is None:
            raise bounded.unreadable("is missing", self.where)
        return bounded.parse(self.content, self.where, limit=limit)

    def fields(self, *, limit: int = bounded.MAX_JSON) -> Fields:
        """The object it holds; raises as `value`, and where it holds anything else."""
        return Fields(of_kind(self.value(limit=limit), dict, self.where), self.where)


@dataclass(frozen=True)
class Fields:
    """An object's fields by their types; `where` is the record's."""

    value: dict[str, Any]
    where: str

    @overload
    def get(self, key: str, kind: type[T]) -> T: ...
    @overload
    def get(self, key: str, kind: type[T], default: T | None) -> T | None: ...
    def get(self, key: str, kind: type[T], default: Any = _NEEDED) -> T | None:
        """The field `key`, which is a `kind`; `default` where it is missing or null.

        Raises:
            UnreadableRecord: it is something else, or missing and there is no default.
        """
        found = self.value.get(key)
        if found is None and default is not _NEEDED:
            return default  # type: ignore[no-any-return]
        if key not in self.value:
            raise bounded.unreadable(f"has no {key}", self.where)
        return of_kind(found, kind, self.where, key)

    def inside(self, key: str) -> Fields:
        """The object at `key`."""
        return Fields(self.get(key, dict), self.where)

    def each(self, key: str) -> list[Fields]:
        """The objects in the list at `key`."""
        return [Fields(of_kind(item, dict, self.where, key), self.where) for item in self.get(key, list)]


def records(ledger: Ledger, wanted: Iterable[tuple[str, str]]) -> dict[tuple[str, str], Record]:
    """The records at many `(commit or ref, path)`, in one go."""
    return {
        (at, path): Record(
            where_of(ledger, at, path),
            found if isinstance(found, bytes) else None,
            found if isinstance(found, UnreadableRecord) else None,
        )
        for (at, path), found in ledger.read_each(wanted).items()
    }


def record(ledger: Ledger, at: str, path: str) -> Record:
    """The record `path` at a commit or ref."""
    return records(ledger, [(at, path)])[at, path]


def where_of(ledger: Ledger, at: str, path: str) -> str:
    """Names a record for people; ends in its path."""
    ref = at[:12] if len(at) == 40 and "/" not in at else at
    return f"{ledger.model} {ref}: {path}"


def of_kind(value: Any, kind: type[T], where: str, key: str = "") -> T:
    """`value` if it is a `kind`; true is no number. Raises UnreadableRecord otherwise."""
    if isinstance(value, kind) and not (kind is not bool and isinstance(value, bool)):
        return value
    what = f"{key}: {shorten(_shown(value), 60)} is not" if key else f"holds {shorten(_shown(value), 60)}, not"
    raise bounded.unreadable(f"{what} {_WORDS.get(kind, kind.__name__)}", where)


def gates_of(found: Record) -> dict[str, Any]:
    """What a finished run's `gates.json` says, which has a verdict, the model's sha256 and a list of answers.

    Raises:
        UnreadableRecord: it is missing, or not what an evaluation writes.
    """
    fields = found.fields(limit=EVIDENCE_LIMIT)
    fields.get("passed", bool)
    fields.get("model_sha256", str, None)
    if "gates" in fields.value:
        fields.each("gates")
    return fields.value


def request_of(found: Record) -> dict[str, Any]:
    """What a run's `run.json` says was asked for; empty where there is no such file. Raises UnreadableRecord."""
    if found.missing:
        return {}
    request = found.fields(limit=EVIDENCE_LIMIT).get("request", dict, {}) or {}
    fields = Fields(request, found.where)
    for key in ("key", "promotion", "note", "caller", "data_commit"):
        fields.get(key, str, "")
    return request


def judged_against(found: Record) -> dict[str, Any] | None:
    """The champion that a run was, or is to be, judged against, by its `champion.json`; None: there was none.

    Raises:
        UnreadableRecord: it is missing, or not what opening a run writes.
    """
    fields = found.fields(limit=EVIDENCE_LIMIT)
    judged = fields.get("champion", dict, None)
    if judged is None:
        return None
    run = Fields(judged, found.where).get("run", str)
    try:
        names.check_run_id(run)
    except ConfigError as error:
        raise bounded.unreadable(f"champion.run: {error.what}", found.where) from None
    return judged


def _shown(value: Any) -> str:
    # A value may be as large as its file, and is told by a few characters.
    if isinstance(value, dict | list):
        return f"{_WORDS[type(value)]} of {len(value):,}"
    return repr(value[:100]) if isinstance(value, str) else repr(value)

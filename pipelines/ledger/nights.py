"""The `nights` branch: what each night saw, as JSON by kind, month and day, so that a night touches its window alone.

`<kind>/<yyyy-mm>.json` holds the days of a month, `<name>.json` what belongs to no day (`grids/<name>`). A kind is a
folder: `scores`, `profiles/abc123def456`. Values are JSON objects. Tasks may write all of it, forward only.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Mapping
from datetime import date
from typing import Any

from pipelines.config import names
from pipelines.errors import ConfigError, InputError, UnreadableRecord, shorten
from pipelines.ledger import reader
from pipelines.ledger.git import Ledger
from pipelines.ledger.months import months_between
from pipelines.ledger.swap import Changes, swap
from pipelines.storage import bounded
from pipelines.storage.files import json_bytes

BRANCH = "nights"
FORMAT = 1
# The value of a day is {version: entry}: of two writers of one day, each settles the versions that it names.
BY_VERSION = frozenset({"scores", "quality"})
_NAME = re.compile(r"[a-z0-9][A-Za-z0-9_.-]*(/[A-Za-z0-9][A-Za-z0-9_.-]*)*\Z", re.ASCII)
_MONTH = re.compile(r"\d{4}-\d{2}\Z", re.ASCII)

Value = dict[str, Any]
Days = dict[str, Value]  # ISO day to value


def read(ledger: Ledger, kind: str, months: Iterable[str]) -> dict[date, Value]:
    """Day to value of `kind` in `months` (`2013-01`), in order, as of the last fetch.

    Raises:
        IntegrityError: a file is not what this program writes.
    """
    head = ledger.head(BRANCH)
    if head is None:
        return {}
    paths = [_path(kind, month) for month in months]
    found = reader.records(ledger, ((head, path) for path in paths))
    days = {day: value for path in paths for day, value in _days(found[head, path]).items()}
    return {date.fromisoformat(day): value for day, value in sorted(days.items())}


def days(ledger: Ledger, kind: str, first: date, last: date) -> dict[date, Value]:
    """Day to value of `kind` from `first` to `last`, both included; reads only their months. Raises as `read` does."""
    found = read(ledger, kind, months_between(first, last))
    return {day: value for day, value in found.items() if first <= day <= last}


def write(ledger: Ledger, values: Mapping[tuple[str, date], Value], message: str) -> str | None:
    """Put `values` at their `(kind, day)` in one commit; the head that holds them (None: there were none).

    Whoever wrote a day last is right, but not where both values say when they are from, in `at` (ISO text in UTC), and
    the one that is there is newer: that stays. Of the kinds BY_VERSION this holds for each version of a day. Where all
    is there already, nothing is written. What others wrote meanwhile stays; ours goes on top.

    Raises:
        InputError: a kind is no folder's name.
        PassingFault: the ledger cannot be reached, or never stood still.
    """
    shards: dict[str, dict[str, tuple[str, Value]]] = {}
    for (kind, day), value in values.items():
        shards.setdefault(_path(kind, f"{day:%Y-%m}"), {})[day.isoformat()] = (kind, value)

    def change(head: str | None) -> Changes:
        found = _contents(ledger, head, shards)
        changes: Changes = {}
        for path, wanted in shards.items():
            known = _days(found[path])
            settled = known | {day: _settled(kind, known.get(day), value) for day, (kind, value) in wanted.items()}
            content = json_bytes({"format": FORMAT, "days": settled})
            if content != found[path].content:
                changes[path] = content
        return changes

    return swap(ledger, BRANCH, change, message) if shards else ledger.head(BRANCH)


def read_file(ledger: Ledger, name: str) -> Value | None:
    """What belongs to no day under `name` (`grids/abc123def456`), as of the last fetch; None: there is none."""
    head, path = ledger.head(BRANCH), _file(name)
    return _object(reader.record(ledger, head, path)) if head else None


def put_new(ledger: Ledger, files: Mapping[str, Value], message: str) -> dict[str, Value]:
    """Put each of `files` (name to value) where there is none yet; what is there in the end, under the same names.

    Raises as `write` does.
    """
    paths = {_file(name): value for name, value in files.items()}

    def change(head: str | None) -> Changes:
        found = _contents(ledger, head, paths)
        return {path: json_bytes(value) for path, value in paths.items() if found[path].missing}

    swap(ledger, BRANCH, change, message)
    return {name: read_file(ledger, name) or {} for name in files}


def _settled(kind: str, old: Value | None, new: Value) -> Value:
    if old is None:
        return new
    if kind in BY_VERSION:
        return old | {version: _later(old.get(version), entry) for version, entry in new.items()}
    return _later(old, new)


def _later(old: Value | None, new: Value) -> Value:
    if old is not None and "at" in old and "at" in new and old["at"] > new["at"]:
        return old
    return new


def _contents(ledger: Ledger, head: str | None, paths: Iterable[str]) -> dict[str, reader.Record]:
    if head is None:
        return {path: reader.Record(f"{ledger.model} {BRANCH}: {path}", None) for path in paths}
    return {path: found for (_, path), found in reader.records(ledger, ((head, path) for path in paths)).items()}


def _days(found: reader.Record) -> Days:
    value = _object(found)
    if value is None:
        return {}
    fields = reader.Fields(value, found.where)
    days: Days = fields.get("days", dict, {}) or {}
    for day, entry in days.items():
        _check_day(day, found.where)
        reader.of_kind(entry, dict, found.where, day)
    if found.where.rpartition("/")[0].endswith(tuple(f" {kind}" for kind in BY_VERSION)):
        for day, entry in days.items():
            for version, item in entry.items():
                reader.of_kind(item, dict, found.where, f"{day}.{version}")
    return days


def _check_day(day: str, where: str) -> None:
    try:
        names.day(day)
    except ConfigError as error:
        raise bounded.unreadable(f"days: {error.what}", where) from None


def _object(found: reader.Record) -> Value | None:
    if found.missing:
        return None
    try:
        value: Value = found.fields(limit=bounded.MAX_PROFILES).value
    except UnreadableRecord as error:
        raise UnreadableRecord(
            f"is not what a night writes: {error.what}", where=found.where, remedy="mend the ledger"
        ) from None
    return value


def _path(kind: str, month: str) -> str:
    if not _MONTH.match(month):
        raise InputError(f"{shorten(repr(month))} is not a month", where=BRANCH, remedy="write it as 2013-01")
    return f"{_name(kind)}/{month}.json"


def _file(name: str) -> str:
    return f"{_name(name)}.json"


def _name(name: str) -> str:
    if not _NAME.match(name):
        raise InputError(f"{shorten(repr(name))} is not a kind of record", where=BRANCH, remedy="use a-z, 0-9 and /")
    return name

"""Parses JSON and YAML that anybody may have written: within caps on size, nesting and numbers, or not at all.

Whoever can write to a ledger can write a file that is small and takes minutes, gigabytes or the process itself to read:
nested a thousand deep, an alias of aliases, an integer of a million digits. Nothing is built before it is known to fit.
"""

from __future__ import annotations

import json
import math
import re
from collections.abc import Iterable, Iterator
from typing import Any

import yaml

from pipelines.config import plain_yaml
from pipelines.errors import UnreadableRecord, shorten

MAX_JSON = 32 << 20
MAX_PROFILES = 512 << 20  # of a month of partitions: an hour's may be a megabyte
MAX_YAML = 4 << 20
MAX_DEPTH = 50
MAX_NODES = 200_000  # of a YAML document; each takes microseconds
MAX_DIGITS = 20  # of an integer: what 64 bits hold
REMEDY = "mend the ledger; `evergreen discard` sets a run aside"

_NUMBER = re.compile(r"[-+.:_0-9a-fA-FxXoO]+\Z")
_NUMBER_LENGTH = 100
# What the quick way through a JSON document would take for a number that is none, or text that nobody can write again.
_ODD = re.compile(rb"\d{20}|(?:^|[\s:,\[])-?\d+(?:\.\d+)?[eE]\+?\d{3}|\\u[dD][89a-fA-F]")


def parse(content: bytes, where: str, *, limit: int = MAX_JSON) -> Any:
    """The value in `content`; `where` names the record, and ends in its path, which says whether it is JSON or YAML.

    Raises:
        UnreadableRecord: it is no such document, or beyond a cap.
    """
    if where.endswith(".json"):
        return parse_json(content, where, limit=limit)
    return parse_yaml(content, where, limit=min(limit, MAX_YAML))


def parse_json(content: bytes, where: str, *, limit: int = MAX_JSON) -> Any:
    """The JSON value in `content`: UTF-8, each key once, finite numbers of 64 bits at most; raises as `parse`."""
    try:
        text = _text(content, limit)
        if _ODD.search(content):
            value = json.loads(
                text, object_pairs_hook=_once, parse_constant=_no_constant, parse_int=_int, parse_float=_float
            )
            _encodable(value)
        else:
            value = json.loads(text, object_pairs_hook=_once, parse_constant=_no_constant)
        _shallow(value)
    except RecursionError:
        raise unreadable(f"is nested deeper than {MAX_DEPTH}", where) from None
    except ValueError as error:
        raise unreadable(f"is not JSON as Evergreen writes it: {_words(error)}", where) from None
    return value


def parse_yaml(content: bytes, where: str, *, limit: int = MAX_YAML) -> Any:
    """The YAML document in `content`: UTF-8, no tags, anchors or aliases, each key once; raises as `parse`."""
    try:
        text = _text(content, limit)
        plain(yaml.parse(text, Loader=plain_yaml.LOADER))
        value = plain_yaml.load(text)
        _numbers(value)
    except RecursionError:
        raise unreadable(f"is nested deeper than {MAX_DEPTH}", where) from None
    except (ValueError, OverflowError, yaml.YAMLError) as error:
        raise unreadable(f"is not YAML as Evergreen writes it: {_words(error)}", where) from None
    return value


def plain(events: Iterable[yaml.Event]) -> None:
    """Raises ValueError where a document, by its `events`, is more than plain nested values with every key once.

    The parser walks without recursion and expands nothing: what would crash or flood the loader is seen here first.
    """
    # One entry an open collection: the keys of a mapping so far (None: a sequence), and whether a value comes next.
    keys: list[set[str] | None] = []
    values: list[bool] = []
    nodes = 0
    for event in events:
        if not isinstance(event, yaml.NodeEvent):
            if isinstance(event, yaml.CollectionEndEvent):
                keys.pop()
                values.pop()
            continue
        nodes += 1
        _refuse(event, nodes, len(keys))
        if keys and (known := keys[-1]) is not None:
            if not values[-1]:
                _key(event, known)
            values[-1] = not values[-1]
        if isinstance(event, yaml.CollectionStartEvent):
            keys.append(set() if isinstance(event, yaml.MappingStartEvent) else None)
            values.append(False)


def unreadable(what: str, where: str, remedy: str = REMEDY) -> UnreadableRecord:
    """`where` is not what it should be."""
    return UnreadableRecord(what, where=where, remedy=remedy)


def _refuse(event: yaml.NodeEvent, nodes: int, depth: int) -> None:
    if event.anchor is not None:
        raise ValueError(f"an anchor or alias, {shorten(repr(event.anchor), 40)}")
    if (tag := getattr(event, "tag", None)) is not None:
        raise ValueError(f"a tag, {shorten(repr(tag), 60)}")
    if isinstance(event, yaml.ScalarEvent) and event.implicit[0] and _long_number(event.value):
        raise ValueError(f"the number {shorten(event.value, 30)} of {len(event.value):,} digits")
    if nodes > MAX_NODES:
        raise ValueError(f"more than {MAX_NODES:,} values")
    if depth >= MAX_DEPTH:
        raise ValueError(f"nested deeper than {MAX_DEPTH}")


def _long_number(text: str) -> bool:
    """Whether `text` may be a number that takes long to make: one to base 60 takes the square of its length."""
    return len(text) > _NUMBER_LENGTH and _NUMBER.match(text) is not None


def _key(event: yaml.NodeEvent, known: set[str]) -> None:
    if not isinstance(event, yaml.ScalarEvent):
        raise ValueError("a key that is no text")
    if event.value in known:
        raise ValueError(f"key {shorten(repr(event.value))} twice")
    known.add(event.value)


def _text(content: bytes, limit: int) -> str:
    if len(content) > limit:
        raise ValueError(f"{len(content):,} bytes, more than {limit:,}")
    return content.decode("utf-8")


def _once(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
    found = dict(pairs)
    if len(found) != len(pairs):
        seen: set[str] = set()
        twice = next(name for name, _ in pairs if name in seen or seen.add(name))  # type: ignore[func-returns-value]
        raise ValueError(f"key {shorten(repr(twice))} twice")
    return found


def _no_constant(name: str) -> None:
    raise ValueError(f"{name} is no number")


def _int(text: str) -> int:
    if len(text.lstrip("-")) > MAX_DIGITS:
        raise ValueError(f"the number {shorten(text, 30)} of {len(text)} digits")
    return int(text)


def _float(text: str) -> float:
    value = float(text)
    if not math.isfinite(value):
        raise ValueError(f"the number {shorten(text, 30)}, which no float holds")
    return value


def _shallow(value: Any) -> None:
    level = [value]
    for _ in range(MAX_DEPTH + 1):
        level = [child for item in level for child in _inside(item) if isinstance(child, dict | list)]
        if not level:
            return
    raise ValueError(f"nested deeper than {MAX_DEPTH}")


def _encodable(value: Any) -> None:
    for leaf in _leaves(value):
        if isinstance(leaf, str):
            leaf.encode("utf-8")  # half of a surrogate pair is text that no file can hold: a ValueError


def _numbers(value: Any) -> None:
    for leaf in _leaves(value):
        if isinstance(leaf, int) and leaf.bit_length() > 64:
            raise ValueError(f"a number of {leaf.bit_length()} bits")
        if isinstance(leaf, float) and not math.isfinite(leaf):
            raise ValueError(f"{leaf} is no number")


def _leaves(value: Any) -> Iterator[Any]:
    """Keys and plain values, without recursion."""
    waiting = [value]
    while waiting:
        item = waiting.pop()
        if isinstance(item, dict):
            yield from item
        if isinstance(item, dict | list):
            waiting.extend(_inside(item))
        else:
            yield item


def _inside(item: Any) -> Iterable[Any]:
    return item.values() if isinstance(item, dict) else item if isinstance(item, list) else ()


def _words(error: Exception) -> str:
    told = getattr(error, "problem", None) or str(error)
    mark = getattr(error, "problem_mark", None)
    line = f" in line {mark.line + 1}" if mark is not None else ""
    return shorten(f"{told}{line}", 120)

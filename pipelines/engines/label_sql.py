"""What `label.expression` is made of, as DuckDB's own parser reads it, and what it may not be made of."""

from __future__ import annotations

import json
import sys
from collections.abc import Iterator
from functools import cache, lru_cache
from typing import Any

from pipelines.engines.sources import folded
from pipelines.errors import ConfigError, shorten

_CLASSES = frozenset(
    {"BETWEEN", "CASE", "CAST", "COLLATE", "COLUMN_REF", "COMPARISON", "CONJUNCTION", "CONSTANT", "FUNCTION"}
    | {"LAMBDA", "OPERATOR", "TYPE", "WINDOW"}
)
_WORDS = {
    "SUBQUERY": "a query of its own",
    "STAR": "a star or COLUMNS()",
    "POSITIONAL_REFERENCE": "a column by its position",
    "PARAMETER": "a parameter",
}
# Functions that tell of clock or session though DuckDB calls them consistent; it is asked for the volatile ones.
_IMPURE = frozenset({"version", "localtime", "localtimestamp", "json_deserialize_sql", "json_execute_serialized_sql"})
_IMPURE_STEMS = ("current_", "get_current", "pg_", "inet_", "has_", "__")
# The binder's own, which no catalogue lists.
_BOUND = frozenset({"unnest", "grouping"})
CLOCK = frozenset({"current_date", "current_time", "current_timestamp", "localtime", "localtimestamp"})
# DuckDB's parser lets an author nest a thousand expressions, each a few levels of JSON.
_DEPTH = 5000

Parsed = tuple[tuple[str, ...], tuple[str, ...]]


@lru_cache(maxsize=64)
def parsed(expression: str) -> Parsed:
    """All names that `expression` refers to, folded, and the first parts of those that mean no lambda's parameter.

    Raises:
        ConfigError: it is not one expression over columns, or holds what is not allowed.
    """
    # The second must hold too, or `1) + (2` would be one expression here and another elsewhere.
    trees = [_tree(f"SELECT ({expression})"), _tree(f"SELECT {expression}")]
    references, inner = [], set()
    for node in nodes(trees[0]):
        kind = str(node["class"])
        kind = "STAR" if node.get("type") == "OPERATOR_UNPACK" else kind
        if kind not in _CLASSES:
            raise label_error(f"it holds {_WORDS.get(kind, kind.lower())}, which a label cannot be made of")
        if kind == "LAMBDA":
            inner |= _bound_within(node)
        if kind == "COLUMN_REF":
            references.append(node)
    _check_functions(trees[0])
    first = dict.fromkeys(_parts(node)[0] for node in references if id(node) not in inner)
    if clock := sorted(CLOCK & first.keys()):
        raise label_error(f"{clock[0]} is another every time, so that a run could never be reproduced")
    return tuple(dict.fromkeys(name for node in references for name in _parts(node))), tuple(first)


def label_error(reason: str) -> ConfigError:
    """What is wrong with `label.expression`, for the reader of `model.yaml`."""
    return ConfigError(
        shorten(" ".join(reason.split()), 160),
        where="model.yaml label.expression",
        remedy="write SQL over the columns of the events table",
    )


def _tree(statement: str) -> dict[str, Any]:
    """The one expression that the statement selects, from nothing."""
    document = serialised(statement)
    if document["error"]:
        raise label_error(str(document.get("error_message")))
    selects = [item["node"] for item in document["statements"]]
    plain = len(selects) == 1 and selects[0]["type"] == "SELECT_NODE" and selects[0]["from_table"]["type"] == "EMPTY"
    if not plain or len(selects[0]["select_list"]) != 1 or _more(selects[0]):
        raise label_error("it is not one expression")
    tree: dict[str, Any] = selects[0]["select_list"][0]
    if tree.get("alias"):
        raise label_error("it is not one expression")
    return tree


def serialised(statement: str) -> dict[str, Any]:
    """The statement as DuckDB's parser reads it; `error` says whether it could."""
    text = str(_ask("SELECT json_serialize_sql(?)", statement)[0][0])
    limit = sys.getrecursionlimit()
    sys.setrecursionlimit(max(limit, _DEPTH))
    try:
        document: dict[str, Any] = json.loads(text)
    except RecursionError:
        return {"error": True, "error_message": "it is nested too deeply"}
    finally:
        sys.setrecursionlimit(limit)
    return document


def tells_more(name: str) -> bool:
    """Whether the function of this folded name tells of clock, chance or session, and not of its arguments alone."""
    kinds = _functions().get(name, frozenset())
    if any(stability not in ("CONSISTENT", "") for _, stability, _ in kinds):
        return True
    if name in _IMPURE or name.startswith(_IMPURE_STEMS):
        return True
    found = [node for kind, _, text in kinds if kind == "macro" for node in nodes(serialised(f"SELECT ({text})"))]
    return any(_is_clock(node) or tells_more(folded(str(node.get("function_name") or ""))) for node in found)


def _is_clock(node: dict[str, Any]) -> bool:
    return node["class"] == "COLUMN_REF" and len(node["column_names"]) == 1 and _parts(node)[0] in CLOCK


def _more(node: dict[str, Any]) -> bool:
    """Whether the statement has any other clause."""
    clauses = ("where_clause", "group_expressions", "group_sets", "having", "qualify", "sample", "modifiers")
    return any(node.get(name) for name in clauses) or bool(node["cte_map"]["map"])


def nodes(tree: Any) -> Iterator[dict[str, Any]]:
    """Every expression below `tree`."""
    return (item for item in walk(tree) if "class" in item)


def walk(tree: Any) -> Iterator[dict[str, Any]]:
    """Every object below `tree`; without recursion, for an author may nest as deep as DuckDB lets them."""
    waiting = [tree]
    while waiting:
        item = waiting.pop()
        if isinstance(item, dict):
            yield item
            waiting += reversed(list(item.values()))
        elif isinstance(item, list):
            waiting += reversed(item)


def _parts(reference: dict[str, Any]) -> list[str]:
    return [folded(str(part)) for part in reference["column_names"]]


def _bound_within(function: dict[str, Any]) -> set[int]:
    """The references in a lambda that mean one of its parameters."""
    heads = [_parts(head) for head in nodes(function["lhs"]) if head["class"] == "COLUMN_REF"]
    parameters = {parts[0] for parts in heads if len(parts) == 1}
    inside = [node for node in nodes(function) if node["class"] == "COLUMN_REF"]
    return {id(node) for node in inside if _parts(node)[0] in parameters}


def _check_functions(tree: Any) -> None:
    """Refuse functions that are none of rows alone; what a macro stands for is looked at as if it stood there."""
    waiting, seen = [tree], set()
    while waiting:
        for node in nodes(waiting.pop()):
            name = folded(str(node.get("function_name") or ""))
            if node["class"] not in ("FUNCTION", "WINDOW") or name in seen:
                continue
            seen.add(name)
            waiting += [_macro(name, text) for text in _check_function(name)]


def _check_function(name: str) -> list[str]:
    """The definitions of a macro of this name; raises where the name is not that of a function over rows alone."""
    kinds = _functions().get(name, frozenset())
    if tells_more(name):
        raise label_error(f"the function {shorten(name)} tells of the machine, the session or chance, not of the row")
    rows = {"scalar", "aggregate", "window", "macro"}
    if name not in _BOUND and not (kinds and {kind for kind, _, _ in kinds} <= rows):
        raise label_error(f"there is no function {shorten(name)} of a row")
    return [text for kind, _, text in kinds if kind == "macro"]


def _macro(name: str, text: str) -> dict[str, Any]:
    try:
        tree = _tree(f"SELECT ({text})")
    except ConfigError:
        raise label_error(f"the function {shorten(name)} is a query, which a label cannot be made of") from None
    for node in nodes(tree):
        if node["class"] == "SUBQUERY":
            raise label_error(f"the function {shorten(name)} is a query, which a label cannot be made of")
    return tree


@cache
def _functions() -> dict[str, frozenset[tuple[str, str, str]]]:
    """What DuckDB has: kind, stability and (of a macro) definition by name."""
    rows = _ask("SELECT function_name, function_type, stability, macro_definition FROM duckdb_functions()")
    found: dict[str, set[tuple[str, str, str]]] = {}
    for name, kind, stability, text in rows:
        found.setdefault(folded(name), set()).add((kind, stability or "", text or ""))
    return {name: frozenset(kinds) for name, kinds in found.items()}


def _ask(query: str, *values: str) -> list[tuple[Any, ...]]:
    import duckdb

    config: dict[str, str | int | bool] = {
        "threads": 1,
        "autoinstall_known_extensions": False,
        "autoload_known_extensions": False,
        "enable_external_access": False,
    }
    with duckdb.connect(":memory:", config=config) as session:
        return [tuple(row) for row in session.execute(query, list(values)).fetchall()]

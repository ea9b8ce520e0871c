"""What may not stand in features: the machine's clock, chance, files. Found in the author's source and in its SQL."""

from __future__ import annotations

import ast
from collections.abc import Iterator, Mapping
from typing import Any

from pipelines.engines.label_sql import CLOCK, serialised, tells_more, walk
from pipelines.engines.sources import folded
from pipelines.errors import ConfigError, shorten

WHERE = "features.py"
# Dotted names; a module's own stands for all that is in it.
_NAMES = frozenset(
    {"datetime.datetime.now", "datetime.datetime.today", "datetime.datetime.utcnow", "datetime.date.today"}
    | {f"time.{name}" for name in ("time", "time_ns")}
    | {f"time.{name}" for name in ("monotonic", "monotonic_ns", "perf_counter", "perf_counter_ns", "process_time")}
    | {"random", "secrets", "uuid.uuid1", "uuid.uuid4", "os.urandom", "os.getrandom", "numpy.random"}
    | {f"ibis.{name}" for name in ("now", "today", "random", "uuid")}
)
# With an argument, a seed or an instant, they say the same every time.
_SEEDED = frozenset(
    {"random.Random", "numpy.random.default_rng", "numpy.random.RandomState", "numpy.random.SeedSequence"}
    | {"time.localtime", "time.gmtime", "time.ctime"}
)
_METHODS = frozenset({"now", "today", "utcnow"})
_INSTANTS = frozenset({"numpy.datetime64", "pandas.Timestamp", "pandas.to_datetime", "ibis.timestamp", "ibis.date"})
_INSTANT_WORDS = frozenset({"now", "today"})
_ROW_TABLES = frozenset({"unnest", "range", "generate_series"})
_REMEDY = "use as_of, or the row's own time: a feature must be the same whenever it is computed"


def check_source(tree: ast.AST) -> None:
    """Raises ConfigError, with the line, where the source names the machine's clock or chance."""
    names = dict(_imports(tree))
    seeded = {id(node.func) for node in ast.walk(tree) if isinstance(node, ast.Call) and (node.args or node.keywords)}
    for node in ast.walk(tree):
        found = _impure(node, names, seeded)
        if found:
            raise ConfigError(
                f"{shorten(found)} is another every time", where=f"{WHERE} line {node.lineno}", remedy=_REMEDY
            )


def check_query(query: str) -> None:
    """Raises ConfigError where the SQL that `build` describes calls for clock, chance, session or files."""
    document = serialised(query)
    if document["error"]:
        raise _impure_query(f"what DuckDB cannot read ({shorten(str(document.get('error_message')))})")
    for node in walk(document):
        if what := _impure_node(node):
            raise _impure_query(what)


def _impure_node(node: Mapping[str, Any]) -> str:
    """What is impure about a node of the query, or nothing."""
    name = folded(str(node.get("function_name") or ""))
    if node.get("type") == "TABLE_FUNCTION" and isinstance(node.get("function"), dict):
        name = folded(str(node["function"].get("function_name") or ""))
        return "" if name in _ROW_TABLES else f"the table function {name}"
    if name and tells_more(name):
        return f"the function {name}"
    names = node.get("column_names")
    if node.get("class") == "COLUMN_REF" and names and len(names) == 1 and folded(str(names[0])) in CLOCK:
        return folded(str(names[0]))
    return "a random sample" if node.get("sample") else ""


def _impure_query(what: str) -> ConfigError:
    return ConfigError(
        f"what build gave back calls for {shorten(what)}, which is not of the tables alone", where=WHERE, remedy=_REMEDY
    )


def _imports(tree: ast.AST) -> Iterator[tuple[str, str]]:
    """What each imported name stands for."""
    for node in ast.walk(tree):
        if isinstance(node, ast.Import):
            for item in node.names:
                yield (item.asname, item.name) if item.asname else (item.name.split(".")[0], item.name.split(".")[0])
        if isinstance(node, ast.ImportFrom) and node.module and not node.level:
            for item in node.names:
                if item.name == "*":
                    yield from ((name.rpartition(".")[2], name) for name in ("datetime.datetime", "datetime.date"))
                yield item.asname or item.name, f"{node.module}.{item.name}"


def _dotted(node: ast.AST, names: Mapping[str, str]) -> str:
    if isinstance(node, ast.Name):
        return names.get(node.id, "")
    if isinstance(node, ast.Attribute):
        base = _dotted(node.value, names)
        return f"{base}.{node.attr}" if base else ""
    return ""


def _impure(node: ast.AST, names: Mapping[str, str], seeded: set[int]) -> str:
    """What is impure about the node itself, or nothing."""
    if isinstance(node, ast.Call):
        if isinstance(node.func, ast.Attribute) and node.func.attr in _METHODS:
            return f"{_dotted(node.func, names) or '.' + node.func.attr}()"
        words = {item.value for item in node.args if isinstance(item, ast.Constant)}
        instant = _dotted(node.func, names)
        return f"{instant} of now" if instant in _INSTANTS and words & _INSTANT_WORDS else ""
    if not isinstance(node, ast.Name | ast.Attribute) or not isinstance(node.ctx, ast.Load):
        return ""
    name = _dotted(node, names)
    if name in _SEEDED:
        return "" if id(node) in seeded else f"{name} without an argument"
    inside = name in _NAMES or (name.rpartition(".")[0] in _NAMES and name not in _SEEDED)
    return name if inside and name not in {"random", "secrets", "numpy.random"} else ""

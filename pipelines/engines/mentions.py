"""The columns that a model folder names: in `model.yaml`, in `expectations.yaml`, in the label and in `features.py`.

`features.py` is parsed and never run. What it may name is every attribute, argument and text in it, and for a text that
is put together, whatever its fixed parts fit; where it goes through columns without naming them (`table.columns`,
selectors) or gives back a table without selecting its columns, all columns count as named.
"""

from __future__ import annotations

import ast
import re
from collections.abc import Iterable, Iterator
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Self

from pipelines.config.model import Model
from pipelines.engines.labels import label_columns
from pipelines.engines.sources import folded

MAX_BYTES = 1 << 20
# In `features.py` these are the framework's own: a column of the source that is so called is not shown.
FRAMEWORK = frozenset({"row_id", "event_date", "label", "known_at"})
# Ways to a column without its name: of Ibis's tables, and of Python itself.
_ALL_OF = frozenset({"columns", "schema", "selectors", "across", "pivot_longer", "unpack", "info"})
_ANY_NAME = frozenset({"getattr", "selectors", "eval", "exec"})
_PUT_TOGETHER = frozenset({"format", "join", "replace"})
_SELECT = frozenset({"select", "finish"})


@dataclass(frozen=True)
class Mentions:
    """Names of columns as SQL compares them, patterns that other names fit, or simply every name there is."""

    names: frozenset[str] = frozenset()
    patterns: tuple[str, ...] = ()
    everything: bool = False
    _regex: re.Pattern[str] = field(init=False, repr=False, compare=False)

    def __post_init__(self) -> None:
        regex = ".*" if self.everything else "|".join(f"(?:{pattern})" for pattern in self.patterns) or "(?!)"
        object.__setattr__(self, "_regex", re.compile(regex, re.DOTALL))

    def __contains__(self, name: str) -> bool:
        """Whether the model may mean the column `name`."""
        name = folded(name)
        return name in self.names or self._regex.fullmatch(name) is not None

    def __or__(self, other: Mentions) -> Mentions:
        """What either of them mentions."""
        patterns = tuple(dict.fromkeys((*self.patterns, *other.patterns)))
        return Mentions(self.names | other.names, patterns, self.everything or other.everything)

    @classmethod
    def of(cls, names: Iterable[str]) -> Self:
        """Just these names."""
        return cls(frozenset(folded(name) for name in names))


EVERYTHING = Mentions(everything=True)


def in_features(path: Path) -> Mentions:
    """What the `features.py` at `path` mentions; everything where the file is missing, too large or no Python."""
    try:
        if path.stat().st_size > MAX_BYTES:
            return EVERYTHING
        tree = ast.parse(path.read_bytes())
    except (OSError, SyntaxError, ValueError, RecursionError, MemoryError):
        return EVERYTHING
    found, patterns = set[str](), dict[str, None]()
    for node in ast.walk(tree):
        if _goes_through(node):
            return EVERYTHING
        found |= _names(node)
        pattern = _pattern(node)
        if pattern is not None:
            patterns[pattern] = None
    if any(not pattern.replace(".*", "") for pattern in patterns) or not _selects(tree):
        return EVERYTHING
    return Mentions(Mentions.of(found).names, tuple(patterns))


def in_label(expression: str) -> Mentions:
    """What the SQL of a label mentions; raises ConfigError where it is no label's SQL."""
    return Mentions(frozenset(label_columns(expression)))


def of_table(model: Model, table: str, ruled: Iterable[str], features: Mentions) -> Mentions:
    """The columns of `table` that the model folder names: `ruled` by its expectations, `features` by `features.py`."""
    config = model.tables[table]
    own = [*config.key, *([config.time] if config.time else []), *config.after_event]
    found = replace(features, names=features.names - FRAMEWORK) | Mentions.of([*own, *ruled])
    return found | in_label(model.label.expression) if table == model.events else found


def _goes_through(node: ast.AST) -> bool:
    """Whether columns are reached here by no name that could be read."""
    if isinstance(node, ast.Attribute):
        return node.attr in _ALL_OF or (node.attr in _PUT_TOGETHER and _text(node.value) is not None)
    if isinstance(node, ast.BinOp):
        return isinstance(node.op, ast.Mod) and _text(node.left) is not None
    names = {node.id} if isinstance(node, ast.Name) else {node.name} if isinstance(node, ast.alias) else set[str]()
    return bool({name.rpartition(".")[2] for name in names} & _ANY_NAME)


def _selects(tree: ast.Module) -> bool:
    """Whether every result of `build` names its columns: it ends with `select` or with `pipelines.features.finish`."""
    builds = [node for node in tree.body if isinstance(node, ast.FunctionDef) and node.name == "build"]
    results = [result for build in builds for result in _results(build)]
    return bool(results) and all(isinstance(item, ast.Call) and _called(item) in _SELECT for item in results)


def _results(node: ast.AST) -> Iterator[ast.expr | None]:
    for child in ast.iter_child_nodes(node):
        if isinstance(child, ast.Return):
            yield child.value
        elif not isinstance(child, ast.FunctionDef | ast.AsyncFunctionDef | ast.Lambda | ast.ClassDef):
            yield from _results(child)


def _called(call: ast.Call) -> str:
    return call.func.attr if isinstance(call.func, ast.Attribute) else getattr(call.func, "id", "")


def _names(node: ast.AST) -> set[str]:
    if isinstance(node, ast.Attribute):
        return {node.attr}
    if isinstance(node, ast.Name):
        return {node.id}
    if isinstance(node, ast.keyword) and node.arg:
        return {node.arg}
    if isinstance(node, ast.alias):
        return {node.name.rpartition(".")[2]}
    return {node.value} if isinstance(node, ast.Constant) and isinstance(node.value, str) else set()


def _pattern(node: ast.AST) -> str | None:
    """What a text that is put together may be; None: the node is no such text."""
    if isinstance(node, ast.JoinedStr):
        return "".join(re.escape(folded(text)) if (text := _text(part)) is not None else ".*" for part in node.values)
    if isinstance(node, ast.BinOp) and isinstance(node.op, ast.Add):
        sides = [_text(side) for side in (node.left, node.right)]
        if any(side is not None for side in sides):
            return "".join(".*" if side is None else re.escape(folded(side)) for side in sides)
    return None


def _text(node: ast.AST) -> str | None:
    return node.value if isinstance(node, ast.Constant) and isinstance(node.value, str) else None

"""A partition's columns and types against what the model and its expectations declare."""

from __future__ import annotations

import difflib
import re
from collections import Counter
from collections.abc import Collection, Iterable, Iterator
from typing import TYPE_CHECKING

from pipelines.config.model import Table
from pipelines.engines import kinds
from pipelines.errors import shorten
from pipelines.quality.conform import declared_names
from pipelines.quality.findings import Finding, critical, warning
from pipelines.quality.suite import Rule

if TYPE_CHECKING:
    import pyarrow as pa

_NUMBERS = re.compile(r"u?int\d+|float\d+|decimal")
_NAMED = 6


def judge_schema(
    table: Table, rules: Iterable[Rule], schema: pa.Schema, settled: Collection[str] = ()
) -> list[Finding]:
    """Missing, renamed, doubled, extra and nested columns, and types of another kind than declared.

    Nothing is said of the types of `settled` columns.
    """
    rules = tuple(rules)
    doubled = judge_doubled(schema)
    if doubled:
        return doubled
    declared = declared_columns(table, rules)
    found = [*_missing_and_extra(declared, rules, schema.names), *_nested(schema), *_types(rules, schema, settled)]
    if table.time in schema.names and kinds.type_name(schema.field(table.time).type) not in ("timestamp", "date"):
        found.append(
            critical(f"{table.time}: the event time is {schema.field(table.time).type}, not a timestamp or a date")
        )
    return found


def judge_doubled(schema: pa.Schema) -> list[Finding]:
    """Columns of one name: nothing else can be said of such a file."""
    doubled = [name for name, count in Counter(schema.names).items() if count > 1]
    return [critical(f"columns stand twice in the file: {_names(doubled)}")] if doubled else []


def declared_columns(table: Table, rules: Iterable[Rule]) -> tuple[str, ...]:
    """Every column that `model.yaml` or a rule names, in that order."""
    named = [*table.key, *([table.time] if table.time else []), *table.after_event]
    return tuple(dict.fromkeys([*named, *(column for rule in rules for column in rule.columns)]))


def _missing_and_extra(declared: tuple[str, ...], rules: tuple[Rule, ...], names: list[str]) -> Iterator[Finding]:
    extra = [name for name in names if name not in declared]
    for column in declared:
        if column in names:
            continue
        near = difflib.get_close_matches(column, extra, n=1, cutoff=0.5)
        hint = f", but {shorten(near[0])!r} is there and nobody expects it: renamed?" if near else ""
        yield critical(f"column {shorten(column)!r} is missing{hint}; the file has {_names(names)}")
    if extra and any(rule.expect == "ExpectTableColumnsToMatchSet" and _exact(rule) for rule in rules):
        yield warning(f"columns nobody expects: {_names(extra)}")


def _exact(rule: Rule) -> bool:
    return rule.arguments.get("exact_match", True) is not False


def _nested(schema: pa.Schema) -> Iterator[Finding]:
    import pyarrow as pa

    for field in schema:
        if pa.types.is_nested(field.type):
            yield critical(f"{field.name}: nested type {shorten(str(field.type))}; a table's columns hold plain values")


def _types(rules: tuple[Rule, ...], schema: pa.Schema, settled: Collection[str]) -> Iterator[Finding]:
    for rule in rules:
        wanted = [kinds.standard_name(name) for name in declared_names(rule)]
        column = rule.arguments.get("column")
        if not wanted or column not in schema.names or column in settled:
            continue
        actual = kinds.type_name(schema.field(column).type)
        if kinds.family(actual) not in {*map(kinds.family, wanted), "null"}:
            text = "; numbers as text?" if actual == "string" and _NUMBERS.fullmatch(wanted[0]) else ""
            yield Finding(rule.severity, f"{column}: type {shorten(actual)} instead of {' or '.join(wanted)}{text}")


def _names(names: list[str]) -> str:
    more = f" and {len(names) - _NAMED} more" if len(names) > _NAMED else ""
    return ", ".join(shorten(name, 40) for name in names[:_NAMED]) + more

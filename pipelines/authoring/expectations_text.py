"""`expectations.yaml` of a draft: what held on every day of the file, loosened so that tomorrow's data may differ."""

from __future__ import annotations

import math
from collections.abc import Collection, Iterator, Sequence
from typing import Any

from pipelines.authoring.columns import Column, Use
from pipelines.authoring.model_text import Draft
from pipelines.authoring.words import flat_text, flow

WIDTH = 118
# Of a very wide table only the types are asked about: each other rule costs an ingest some milliseconds.
MOST_COLUMNS = 300
_WIDE_TABLE = "  # With so many columns nothing but their types is asked. Add what matters.\n"
_OF_TYPE = "ExpectColumnValuesToBeOfType"
_WIDEST = {"int": "int64", "uint": "uint64", "float": "float64"}
_HEAD = """\
# What must hold for the tables of this model, as Great Expectations by their own names. A broken `critical` one
# quarantines the partition, a broken `warning` is told and the partition is used.
# Learnt from {source}: every day of it passes. Replace bounds by what you know the columns to mean.
# Keys, event times, infinities, row counts and the label are checked by the framework and need no entry here. A type
# is a kind: `int64` takes whole numbers of any width, `float64` any numbers. Columns without a rule may change at will.

{table}:
"""


def expectations_text(draft: Draft, loosened: Collection[tuple[str, str]] = ()) -> str:
    """The file's text; a rule whose expectation and column are in `loosened` is told and quarantines nothing."""
    label, known_late = draft.events.label, {draft.events.label, *draft.leaks}
    used = _used(draft)
    names = [column.name for column in used]
    lines = [_rule("ExpectTableColumnsToMatchSet", "critical", column_set=names, exact_match=False)]
    if len(used) > MOST_COLUMNS:
        lines += [_WIDE_TABLE, *(_rule(_OF_TYPE, "critical", column=c.name, type_=_type(c)) for c in used)]
        used = [column for column in used if column.name in known_late]
    for column in used:
        lines += ["", f"  # {flat_text(column.name)}: {_described(column, label)}"]
        for name, severity, rest in _rules(column, draft.key, column.name in known_late):
            level = "warning" if (name, column.name) in loosened else severity
            lines.append(_rule(name, level, column=column.name, **rest))
    head = _HEAD.format(source=flat_text(draft.source), table=flow([draft.table])[1:-1])
    return head + "\n".join(lines) + "\n"


def _used(draft: Draft) -> list[Column]:
    """The columns that the model reads: about others nothing is asked."""
    named = {*draft.key, draft.events.label, draft.events.time, *draft.leaks}
    return [column for column in draft.columns if column.is_feature or column.name in named]


Rule = tuple[str, str, dict[str, Any]]


def _rules(column: Column, key: Sequence[str], known_late: bool) -> Iterator[Rule]:
    yield _OF_TYPE, "critical", {"type_": _type(column)}
    if known_late:
        # A day may be delivered before its labels are known; it is the window's label coverage that guards them.
        yield "ExpectColumnValuesToNotBeNull", "warning", {"mostly": 0}
        return
    yield _nulls(column)
    if column.name in key:
        return
    if column.use in (Use.CATEGORY, Use.CODE) and column.values:
        yield "ExpectColumnValuesToBeInSet", "warning", {"value_set": list(column.values), "mostly": 0.99}
    elif column.use is Use.NUMBER and column.low is not None and column.high is not None:
        low, high = _range(column.low, column.high, whole="int" in column.type)
        yield "ExpectColumnValuesToBeBetween", "critical", {"min_value": low, "max_value": high, "mostly": 0.95}


def _nulls(column: Column) -> Rule:
    if column.nulls == 0:
        return "ExpectColumnValuesToNotBeNull", "critical", {}
    mostly = math.floor(max(0.0, 1 - max(2 * column.worst, column.worst + 0.1)) * 20) / 20
    return "ExpectColumnValuesToNotBeNull", "critical" if mostly >= 0.5 else "warning", {"mostly": mostly}


def _range(low: float, high: float, *, whole: bool) -> tuple[float, float]:
    """Bounds half a span below and a whole span above, in round numbers, and no sign that was never seen."""
    span = (high - low) or abs(high) or 1.0
    if low >= 0 and high <= 1 and not whole:
        return 0, 1
    bottom = 0.0 if low >= 0 else _rounded(low - span / 2, math.floor)
    top = 0.0 if high <= 0 else _rounded(high + span, math.ceil)
    return _short(bottom), _short(top)


def _short(value: float) -> float:
    return int(value) if value.is_integer() else value


def _rounded(value: float, towards: Any) -> float:
    if value == 0:
        return 0.0
    size = 10.0 ** (math.floor(math.log10(abs(value))) - 1)
    return float(f"{towards(value / size) * size:.10g}")


def _type(column: Column) -> str:
    return next((wide for stem, wide in _WIDEST.items() if column.type.startswith(stem)), column.type)


def _described(column: Column, label: str) -> str:
    null = f", null in {_percent(column.nulls)}" if column.nulls else ""
    if column.name == label:
        return f"the label{null}"
    if column.low is not None and column.high is not None:
        return f"{column.low:.6g} to {column.high:.6g}{null}"
    if column.type == "string":
        return f"{column.distinct:,} value{'' if column.distinct == 1 else 's'}{null}"
    return f"{column.type}{null}"


def _percent(share: float) -> str:
    return f"{share:.1%}" if share >= 0.001 else "less than 0.1%"


def _rule(name: str, severity: str, **arguments: Any) -> str:
    line = f"  - {{expect: {name}, severity: {severity}, with: {flow(arguments)}}}"
    if len(line) <= WIDTH:
        return line
    parts = [part for key, value in arguments.items() for part in _parts(key, value)]
    parts[0] = "{" + parts[0]
    parts[-1] += "}}"
    return f"  - {{expect: {name}, severity: {severity},\n     with: {_filled(parts)}"


def _parts(key: str, value: Any) -> list[str]:
    """A key with its value in pieces between which a line may end."""
    if not isinstance(value, list):
        return [f"{key}: {flow([value])[1:-1]}"]
    items = [flow([item])[1:-1] for item in value]
    items[0], items[-1] = f"{key}: [{items[0]}", f"{items[-1]}]"
    return items


def _filled(parts: Sequence[str]) -> str:
    lines = [""]
    for part in parts:
        full = len(lines[-1]) + len(part) > WIDTH - 14
        lines = [*lines, part] if full and lines[-1] else [*lines[:-1], f"{lines[-1]}, {part}" if lines[-1] else part]
    return ",\n       ".join(lines)

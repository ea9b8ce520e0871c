"""A partition's table in the types that its columns are kept in, and what did not fit."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from typing import TYPE_CHECKING

from pipelines.engines import kinds
from pipelines.engines.mentions import EVERYTHING, Mentions
from pipelines.engines.sources import ENGINE_NAMES, folded
from pipelines.errors import shorten
from pipelines.quality.findings import Finding, critical, warning
from pipelines.quality.suite import Rule

if TYPE_CHECKING:
    import pyarrow as pa

    Types = Mapping[str, pa.DataType]

_TYPE_RULES = {"ExpectColumnValuesToBeOfType": "type_", "ExpectColumnValuesToBeInTypeList": "type_list"}


@dataclass(frozen=True)
class Conformed:
    """`raw` is what came; `table` holds every column that can be kept, in its type: of `misfits` not the one wanted.

    Of the misfits that are `told`, the findings say why.
    """

    raw: pa.Table
    table: pa.Table
    findings: tuple[Finding, ...] = ()
    misfits: frozenset[str] = field(default_factory=frozenset)
    told: frozenset[str] = field(default_factory=frozenset)

    @property
    def usable(self) -> bool:
        """Whether nothing here speaks against the partition."""
        return not any(finding.severity == "critical" for finding in self.findings)


def declared_types(rules: Iterable[Rule]) -> dict[str, pa.DataType]:
    """Column to the type in which it is kept, of those whose type a critical rule of `expectations.yaml` declares."""
    found: dict[str, pa.DataType] = {}
    for rule in rules:
        column = rule.arguments.get("column")
        names = [kinds.standard_name(name) for name in declared_names(rule)]
        if rule.severity == "critical" and isinstance(column, str) and names:
            families = {kinds.family(name) for name in names}
            several = len(families) > 1
            # Whole numbers or others: what holds both.
            name = "float64" if families == {"integer", "number"} else "" if several else max(names, key=_width)
            kind = kinds.declared(name) if name else None
            if kind is not None:
                found[column] = kind
    return found


def declared_names(rule: Rule) -> tuple[str, ...]:
    """The types that a rule allows, as written; none where the rule says nothing of types."""
    value = rule.arguments.get(_TYPE_RULES.get(rule.expect, ""))
    return tuple(str(item) for item in (value if isinstance(value, list) else [value] if value else ()))


def voted_types(schemas: Iterable[pa.Schema]) -> dict[str, pa.DataType]:
    """Column to the type in which most of these files would be kept: one odd day among many decides nothing.

    Of as many votes, whole numbers count before others. A column that is null throughout has no vote. Of names that
    SQL takes for one, the one that most files have counts.
    """
    import pyarrow as pa

    votes: dict[str, Counter[pa.DataType]] = {}
    for schema in schemas:
        for item in schema:
            kind = kinds.wide(item.type)
            if kind is not None and not pa.types.is_null(kind):
                votes.setdefault(item.name, Counter())[kind] += 1
    spelled: dict[str, str] = {}
    for name in sorted(votes, key=lambda name: votes[name].total()):
        spelled[folded(name)] = name
    return {
        name: max(counts, key=lambda kind: (counts[kind], pa.types.is_integer(kind), str(kind)))
        for name, counts in votes.items()
        if spelled[folded(name)] == name
    }


def conform(data: pa.Table, declared: Types, established: Types, named: Mentions = EVERYTHING) -> Conformed:
    """`data` with every column in its declared type, else the established one, else the widest of its kind.

    What cannot be kept so quarantines the partition where the model names the column (`named`). A column that
    nobody names stays as it came, or is left out where no table here can hold it.
    """
    import pyarrow as pa

    findings: list[Finding] = [
        *_clashes(data.column_names, named),
        *_unlike_before(data.column_names, declared, established, named),
    ]
    columns: dict[str, pa.ChunkedArray] = {}
    misfits, explained = set[str](), set[str]()
    came = dict(zip(data.column_names, data.columns, strict=True))
    for name, column in came.items():
        told = critical if name in named else warning
        if folded(name) in ENGINE_NAMES:
            findings.append(told(f"{name}: DuckDB has a column of that name of its own{_left(told)}; rename it"))
            continue
        kept, problem = _kept(name, column, declared, established)
        if problem is not None and not (problem.by_kind and name in declared):
            explained.add(name)
            findings.append(told(f"{shorten(name)}: {problem.sentence}{_source(name, declared, established)}"))
        if problem is not None:
            misfits.add(name)
        if kept is not None:
            columns[name] = kept
        elif problem is None or (problem.by_kind and name in declared):
            findings.append(told(f"{shorten(name)}: type {shorten(str(column.type))} cannot be kept{_left(told)}"))
    same = list(columns) == list(came) and all(columns[name] is came[name] for name in columns)
    table = data if same else pa.table(columns)
    return Conformed(data, table, tuple(findings), frozenset(misfits), frozenset(explained))


def _kept(
    name: str, column: pa.ChunkedArray, declared: Types, established: Types
) -> tuple[pa.ChunkedArray | None, kinds.MisfitError | None]:
    """The column as it is kept, None where it cannot be, and why it is not of the type that was wanted."""
    target = declared.get(name, established.get(name))
    problem = None
    if target is not None:
        try:
            return kinds.fit(column, target), None
        except kinds.MisfitError as error:
            problem = error
    own = kinds.wide(column.type)
    try:
        return (None if own is None else kinds.fit(column, own)), problem
    except kinds.MisfitError as error:
        wider = _wider(column)
        return wider, problem or (None if wider is not None else error)


def _wider(column: pa.ChunkedArray) -> pa.ChunkedArray | None:
    """Whole numbers of more than 64 bits, as decimals."""
    import pyarrow as pa

    if not pa.types.is_decimal(column.type) or column.type.scale > 0:
        return None
    try:
        return kinds.fit(column, pa.decimal128(38, 0))
    except kinds.MisfitError:
        return None


def _clashes(names: list[str], named: Mentions) -> Iterable[Finding]:
    """Names that SQL takes for one, where the model means one of them."""
    groups: dict[str, list[str]] = {}
    for name in names:
        groups.setdefault(folded(name), []).append(name)
    for group in groups.values():
        if len(group) > 1 and any(name in named for name in group):
            listed = " and ".join(shorten(repr(name), 40) for name in group[:3])
            yield critical(f"columns {listed} differ in case alone, and SQL takes them for one; rename one")


def _unlike_before(names: list[str], declared: Types, established: Types, named: Mentions) -> Iterable[Finding]:
    """Columns in other letters than so far, which SQL takes for the same and `features.py` does not, and lost ones."""
    known = {**established, **declared}
    came = {folded(name): name for name in names}
    for name in known:
        now = came.get(folded(name))
        if name not in named or now == name:
            continue
        if now is None and name not in declared:
            # Where the model goes through all columns, nobody knows whether it wants this one.
            told = critical if folded(name) in named.names else warning
            yield told(f"{shorten(name)}: is not there, though the model names it; every value would count as null")
        elif now is not None and now not in known:
            yield critical(
                f"{shorten(now)}: has been {shorten(repr(name))} so far, and SQL takes them for one; rename it"
            )


def _left(told: object) -> str:
    return "" if told is critical else ", and is left out: nobody uses it"


def _source(name: str, declared: Types, established: Types) -> str:
    if name in declared:
        return ""
    return ", as it was kept so far" if name in established else ""


def _width(name: str) -> int:
    digits = "".join(sign for sign in name if sign.isdigit())
    return int(digits or 0)

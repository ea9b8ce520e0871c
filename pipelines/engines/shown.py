"""The types in which a model is shown the columns of its tables: at every scoring those that it had in training."""

from __future__ import annotations

import re
from collections.abc import Iterable, Mapping, Sequence

from pipelines.engines import kinds
from pipelines.engines.mentions import Mentions
from pipelines.engines.sources import SourceFile, folded, quoted
from pipelines.errors import DataError, shorten

Types = Mapping[str, str]
NULL = '"NULL"'
_FAMILIES = (
    ("integer", re.compile(r"U?(TINY|SMALL|BIG|HUGE)?INT|U?INTEGER")),
    ("number", re.compile(r"FLOAT|DOUBLE")),
    ("decimal", re.compile(r"DECIMAL.*")),
    ("timestamp", re.compile(r"TIMESTAMP.*")),
    ("null", re.compile(re.escape(NULL))),
)
_SHOWN = 3


def shown_type(kind: str) -> str:
    """The type in which a column of DuckDB's type `kind` is shown: plain timestamps, and no column without a type."""
    if kind.startswith("TIMESTAMP"):
        return "TIMESTAMP"
    return "DOUBLE" if kind == NULL else kind


def shown_column(name: str, kind: str, wanted: str | None) -> str:
    """The SQL of a column, of DuckDB's type `kind`, as it is shown; as `wanted` where that is given and holds it."""
    target = wanted if wanted and _holds(wanted, kind) else shown_type(kind)
    column = quoted(name)
    return column if target == kind else f"CAST({column} AS {target}) AS {column}"


def check_agreement(files: Sequence[SourceFile], columns: Types, types: Types, named: Mentions) -> None:
    """Raises DataError where a `named` column is of another kind than in training.

    `columns` are DuckDB's types over all `files` of one table, `types` those in training; where these say nothing of a
    column, the files must agree among themselves.
    """
    unpinned = [name for name in columns if name in named and name not in types]
    for name, kind in columns.items():
        wanted = types.get(name)
        if wanted is not None and name in named and not _holds(wanted, kind):
            raise _another(files, name, wanted)
    conflicts = conflicting(files, Mentions.of(unpinned)) if unpinned else {}
    for name, days in conflicts.items():
        raise DataError(
            f"column {shorten(name)} is of several kinds: {told(days)}",
            where=f"table {files[0].table}",
            remedy="deliver the odd days anew and ingest them",
        )


def conflicting(files: Iterable[SourceFile], named: Mentions) -> dict[str, dict[str, list[str]]]:
    """Of the `named` columns, those of several kinds of values among `files`: kind to partitions, in their order."""
    import pyarrow.parquet as pq

    found: dict[str, dict[str, list[str]]] = {}
    spelled: dict[str, str] = {}  # names that differ in case alone are one to SQL
    for file in files:
        for item in pq.read_schema(file.path):
            family = kinds.family(kinds.type_name(item.type))
            if item.name in named and family != "null":
                partition = file.day.isoformat() if file.day else "static"
                name = spelled.setdefault(folded(item.name), item.name)
                found.setdefault(name, {}).setdefault(family, []).append(partition)
    return {name: days for name, days in found.items() if len(days) > 1}


def told(days: Mapping[str, Sequence[str]]) -> str:
    """What `conflicting` says of one column, in words: the rarest kind first, each with its first partitions."""
    ordered = sorted(days.items(), key=lambda item: (len(item[1]), item[0]))
    return "; ".join(f"{family} on {_first(partitions)}" for family, partitions in ordered)


def _first(items: Sequence[str]) -> str:
    more = f" and {len(items) - _SHOWN} more" if len(items) > _SHOWN else ""
    return ", ".join(items[:_SHOWN]) + more


def _another(files: Sequence[SourceFile], name: str, wanted: str) -> DataError:
    import pyarrow.parquet as pq

    odd = []
    for file in files:
        schema = pq.read_schema(file.path)
        for item in schema:
            family = kinds.family(kinds.type_name(item.type))
            if folded(item.name) == folded(name) and family not in ("null", _family(wanted)):
                odd.append(f"{family} on {file.day or 'static'}")
    return DataError(
        f"column {shorten(name)} was {wanted} in training and is {_first(odd)}",
        where=f"table {files[0].table}",
        remedy="deliver these partitions anew and ingest them, or retrain",
    )


def _family(kind: str) -> str:
    """The family of a DuckDB type, as `kinds.family` calls it."""
    for family, pattern in _FAMILIES:
        if pattern.fullmatch(kind):
            return family
    return {"VARCHAR": "string", "BOOLEAN": "bool", "DATE": "date", "BLOB": "binary"}.get(kind, kind.lower())


def _holds(wanted: str, kind: str) -> bool:
    """Whether every value of a column of type `kind` is the same as `wanted`, whatever DuckDB would convert."""
    ours, theirs = _family(wanted), _family(kind)
    return theirs in (ours, "null") or (ours, theirs) == ("number", "integer")

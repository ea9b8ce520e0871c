"""The task, told from the label: what is predicted, the SQL that yields it, and what is to be said about it."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from pipelines.authoring.words import flat_text, identifier, literal
from pipelines.config.model import Task
from pipelines.errors import ConfigError, shorten

if TYPE_CHECKING:
    import pyarrow as pa

MAX_CLASSES = 20
# Of two texts, one of these means 'it happened', whichever is rarer.
_YES = frozenset({"yes", "y", "true", "t", "1", "on", "positive", "pos"})


@dataclass(frozen=True)
class Target:
    """The label of the draft.

    `codes` is the label of every row as the engines see it (float64: 0 or 1, the place of the class, or the value), NaN
    where there is none. `meaning` says what it is, in a sentence; `balance` how its values are spread.
    """

    task: Task
    expression: str
    classes: tuple[str, ...]
    codes: Any
    meaning: str
    balance: str

    @property
    def missing(self) -> float:
        """The share of rows without a label."""
        import numpy as np

        return float(np.isnan(self.codes).mean())


def infer(column: pa.ChunkedArray, name: str) -> Target:
    """The task that a label `column` called `name` makes.

    Raises:
        ConfigError: the column is of a kind, or has values, that cannot be predicted.
    """
    import pyarrow as pa

    kind = column.type
    counts = _counts(column)
    if not counts:
        raise _refuse(name, f"all {len(column)} values are null", "name the column that holds what came of the events")
    if len(counts) == 1:
        raise _refuse(name, f"every value is {counts[0][0]!r}", "there is nothing to learn from one value")
    known = pa.types
    if not any(test(kind) for test in (known.is_boolean, known.is_string, known.is_integer, known.is_floating)):
        if known.is_decimal(kind):
            return _regression(column, name)
        raise _refuse(name, f"it is {kind}", "name a column of yes and no, of a few classes, or of numbers")
    if len(counts) == 2:
        return _binary(column, name, counts)
    whole = known.is_string(kind) or known.is_integer(kind) or all(float(v).is_integer() for v, _ in counts)
    if whole and len(counts) <= MAX_CLASSES:
        return _multiclass(column, name, counts)
    if known.is_string(kind):
        raise _refuse(
            name,
            f"text with more than {MAX_CLASSES} different values, such as {shorten(repr(counts[0][0]), 40)}",
            "store numbers as numbers, or sum the texts up in a few classes",
        )
    return _regression(column, name)


def _counts(column: pa.ChunkedArray) -> list[tuple[Any, int]]:
    """Values with their numbers of rows in order of value; of many values only one more than there may be classes."""
    import pyarrow.compute as pc

    found = pc.value_counts(column.drop_null())
    if len(found) > MAX_CLASSES:
        found = found[: MAX_CLASSES + 1]
    return sorted((item["values"], item["counts"]) for item in found.to_pylist())


def _binary(column: pa.ChunkedArray, name: str, counts: Sequence[tuple[Any, int]]) -> Target:
    import pyarrow as pa
    import pyarrow.compute as pc

    (low, low_rows), (high, high_rows) = counts
    positive, why = _positive(low, low_rows, high, high_rows)
    told = pa.types.is_boolean(column.type) or (low, high) == (0, 1)
    expression = identifier(name) if told else f"{identifier(name)} = {literal(positive)}"
    codes = pc.cast(pc.equal(column, pa.scalar(positive, column.type)), pa.float64())
    rows = {low: low_rows, high: high_rows}
    share = rows[positive] / (low_rows + high_rows)
    meaning = f"1 where {flat_text(name)} is {'true' if positive is True else flat_text(literal(positive))}{why}"
    return Target(
        Task.BINARY, expression, (), _array(codes), meaning, f"{share:.1%} of {low_rows + high_rows:,} labels are 1"
    )


def _positive(low: Any, low_rows: int, high: Any, high_rows: int) -> tuple[Any, str]:
    """Which of two values is 1, and why where it had to be chosen."""
    if not isinstance(low, str):
        return high, "" if (low, high) in ((0, 1), (False, True)) else ", the larger of the two"
    yes = [value for value in (low, high) if value.strip().lower() in _YES]
    if len(yes) == 1:
        return yes[0], ""
    if low_rows == high_rows:
        return high, ", the later in the alphabet of the two"
    return (low, ", the rarer of the two") if low_rows < high_rows else (high, ", the rarer of the two")


def _multiclass(column: pa.ChunkedArray, name: str, counts: Sequence[tuple[Any, int]]) -> Target:
    import pyarrow as pa
    import pyarrow.compute as pc

    text = pa.types.is_string(column.type)
    cast = "VARCHAR" if text else "BIGINT"
    expression = identifier(name) if text else f"CAST({identifier(name)} AS {cast})"
    values = [value for value, _ in counts]
    classes = tuple(value if text else str(int(value)) for value in values)
    codes = pc.index_in(column, value_set=pa.array(values, column.type)).cast(pa.float64())
    codes = pc.if_else(pc.is_valid(column), codes, pa.scalar(None, pa.float64()))
    total = sum(rows for _, rows in counts)
    ordered = sorted(zip(classes, (rows for _, rows in counts), strict=True), key=lambda pair: -pair[1])
    shown = ", ".join(f"{flat_text(value, 20)} {rows / total:.1%}" for value, rows in ordered[:4])
    more = f" and {len(ordered) - 4} more" if len(ordered) > 4 else ""
    return Target(
        Task.MULTICLASS,
        expression,
        classes,
        _array(codes),
        f"one of {len(classes)} classes of {flat_text(name)}",
        f"{total:,} labels: {shown}{more}",
    )


def _regression(column: pa.ChunkedArray, name: str) -> Target:
    import numpy as np
    import pyarrow as pa

    values = _array(column.cast(pa.float64()))
    known = values[~np.isnan(values)]
    balance = f"{len(known):,} labels, mean {np.mean(known):.4g}, from {known.min():.4g} to {known.max():.4g}"
    return Target(Task.REGRESSION, identifier(name), (), values, f"the number in {flat_text(name)}", balance)


def _array(column: pa.ChunkedArray) -> Any:
    import numpy as np

    return np.asarray(column.to_numpy(), dtype=np.float64)


def _refuse(name: str, what: str, remedy: str) -> ConfigError:
    return ConfigError(f"column {shorten(repr(name), 40)} cannot be a label: {what}", where="--label", remedy=remedy)

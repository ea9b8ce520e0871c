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
MOST_CLASSES = 200  # where the author says that they are classes
# Whole numbers are classes where they are few and none is rare; a count has a long tail.
_NUMBERED_CLASSES, _RAREST = 10, 0.005
_LARGEST_SUM = 2.0**62  # the label's past is summed in whole numbers of 64 bits
# Of two texts, one of these means 'it happened', whichever is rarer.
_YES = frozenset({"yes", "y", "true", "t", "1", "on", "positive", "pos"})


@dataclass(frozen=True)
class Target:
    """The label of the draft.

    `codes` is the label of every row as the engines see it (float64: 0 or 1, the place of the class, or the value), NaN
    where there is none. `meaning` says what it is, in a sentence; `balance` how its values are spread; `note` what else
    it might have been.
    """

    task: Task
    expression: str
    classes: tuple[str, ...]
    codes: Any
    meaning: str
    balance: str
    note: str = ""

    @property
    def missing(self) -> float:
        """The share of rows without a label."""
        import numpy as np

        return float(np.isnan(self.codes).mean())


def infer(column: pa.ChunkedArray, name: str, task: Task | None = None) -> Target:
    """The task that a label `column` called `name` makes, or the one that the author asks for.

    Raises:
        ConfigError: the column is of a kind, or has values, that cannot be predicted.
    """
    counts = _counts(column)
    if not counts:
        raise _refuse(name, f"all {len(column)} values are null", "name the column that holds what came of the events")
    if len(counts) == 1:
        raise _refuse(
            name, f"every value is {shorten(repr(counts[0][0]), 40)}", "there is nothing to learn from one value"
        )
    if not (_textual(column) or _numeric(column)):
        raise _refuse(name, f"it is {column.type}", "name a column of yes and no, of a few classes, or of numbers")
    chosen = task or _likely(column, name, counts)
    if chosen is Task.BINARY:
        _require_two(name, counts)
        return _binary(column, name, counts)
    if chosen is Task.REGRESSION:
        return _regression(column, name, "" if task else _other_task(column, counts, chosen))
    _require_classes(column, name, counts)
    return _multiclass(column, name, counts, "" if task else _other_task(column, counts, chosen))


def _likely(column: pa.ChunkedArray, name: str, counts: Sequence[tuple[Any, int]]) -> Task:
    if len(counts) == 2:
        return Task.BINARY
    if not _textual(column):
        rarest = min(rows for _, rows in counts) / sum(rows for _, rows in counts)
        classes = _whole(counts) and len(counts) <= _NUMBERED_CLASSES and rarest >= _RAREST
        return Task.MULTICLASS if classes else Task.REGRESSION
    if len(counts) <= MAX_CLASSES:
        return Task.MULTICLASS
    raise _refuse(
        name,
        f"text with more than {MAX_CLASSES} different values, such as {shorten(repr(counts[0][0]), 40)}",
        "store numbers as numbers, or sum the texts up in a few classes (--task multiclass takes more of them)",
    )


def _other_task(column: pa.ChunkedArray, counts: Sequence[tuple[Any, int]], chosen: Task) -> str:
    """What else than `chosen` the label may be, where its values do not decide it."""
    if _textual(column) or not _whole(counts) or len(counts) > MAX_CLASSES:
        return ""
    if chosen is Task.MULTICLASS:
        return "its whole numbers are taken for names of classes; if it counts or measures, say --task regression"
    return "it is taken for a count or a measure; if its whole numbers are names of classes, say --task multiclass"


def _whole(counts: Sequence[tuple[Any, int]]) -> bool:
    return all(float(value).is_integer() for value, _ in counts)


def _textual(column: pa.ChunkedArray) -> bool:
    import pyarrow as pa

    return bool(pa.types.is_string(column.type))


def _numeric(column: pa.ChunkedArray) -> bool:
    import pyarrow as pa

    kinds = (pa.types.is_boolean, pa.types.is_integer, pa.types.is_floating, pa.types.is_decimal)
    return any(test(column.type) for test in kinds)


def _require_two(name: str, counts: Sequence[tuple[Any, int]]) -> None:
    if len(counts) != 2:
        listed = ", ".join(shorten(repr(value), 20) for value, _ in counts[:4])
        raise _refuse(
            name, f"--task binary needs two values, it has {len(counts)} or more: {listed}", "choose another task"
        )


def _require_classes(column: pa.ChunkedArray, name: str, counts: Sequence[tuple[Any, int]]) -> None:
    if len(counts) > MOST_CLASSES:
        raise _refuse(name, f"more than {MOST_CLASSES} classes", "sum them up in fewer, or say --task regression")
    if not _textual(column) and not _whole(counts):
        raise _refuse(name, "numbers with a fraction are no classes", "say --task regression")


def _counts(column: pa.ChunkedArray) -> list[tuple[Any, int]]:
    """Values with their numbers of rows in order of value; of many values only one more than there may be classes."""
    import pyarrow.compute as pc

    found = pc.value_counts(column.drop_null())
    if len(found) > MOST_CLASSES:
        found = found[: MOST_CLASSES + 1]
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


def _multiclass(column: pa.ChunkedArray, name: str, counts: Sequence[tuple[Any, int]], note: str) -> Target:
    import pyarrow as pa
    import pyarrow.compute as pc

    text, flag = _textual(column), pa.types.is_boolean(column.type)
    cast = "VARCHAR" if flag else "BIGINT"
    expression = identifier(name) if text else f"CAST({identifier(name)} AS {cast})"
    values = [value for value, _ in counts]
    classes = tuple(value if text else str(value).lower() if flag else str(int(value)) for value in values)
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
        note,
    )


def _regression(column: pa.ChunkedArray, name: str, note: str) -> Target:
    import numpy as np
    import pyarrow as pa

    from pipelines.engines.labels import LARGEST_LABEL

    if _textual(column):
        raise _refuse(name, "text is no number", "store numbers as numbers")
    flag = pa.types.is_boolean(column.type)
    values = _array((column.cast(pa.int8()) if flag else column).cast(pa.float64()))
    known = values[~np.isnan(values)]
    largest = float(np.abs(known).max())
    if largest > LARGEST_LABEL:
        remedy = "take a larger unit, as millions, or mend such values"
        raise _refuse(name, f"{largest:g} is larger than {LARGEST_LABEL:g}", remedy)
    if largest * len(known) > _LARGEST_SUM:
        raise _refuse(
            name, f"numbers as large as {largest:g} cannot be summed exactly", "take a larger unit, as millions"
        )
    expression = f"CAST({identifier(name)} AS INTEGER)" if flag else identifier(name)
    balance = f"{len(known):,} labels, mean {np.mean(known):.4g}, from {known.min():.4g} to {known.max():.4g}"
    return Target(Task.REGRESSION, expression, (), values, f"the number in {flat_text(name)}", balance, note)


def _array(column: pa.ChunkedArray) -> Any:
    import numpy as np

    return np.asarray(column.to_numpy(), dtype=np.float64)


def _refuse(name: str, what: str, remedy: str) -> ConfigError:
    return ConfigError(f"column {shorten(repr(name), 40)} cannot be a label: {what}", where="--label", remedy=remedy)

"""The label as SQL: what it is made of, its values, and the columns that no feature may see because of it."""

from __future__ import annotations

from collections.abc import Iterable
from datetime import date

from pipelines.config.model import Task
from pipelines.config.params import RunParams
from pipelines.engines.label_sql import label_error
from pipelines.engines.label_sql import parsed as _parsed
from pipelines.engines.sources import first_row_id, folded, quoted, raw_view, text, until_row_id
from pipelines.errors import shorten

# Ten million squares of it are a number that XGBoost, which counts in 32 bits, still holds.
LARGEST_LABEL = 1e15


def banned(params: RunParams, table: str) -> tuple[str, ...]:
    """The columns of `table` that no feature may see: `after_event`, and what the label is made of (except keys).

    Names as `folded` gives them: hold them against folded names, for to SQL `CHURNED` is `churned`.
    """
    declared = [folded(name) for name in params.tables[table].after_event]
    if table != params.events:
        return tuple(dict.fromkeys(declared))
    keys = {folded(name) for name in params.tables[table].key}
    made_of = [name for name in label_columns(params.label.expression) if name not in keys]
    return tuple(dict.fromkeys((*declared, *made_of)))


def label_columns(expression: str) -> tuple[str, ...]:
    """Every column that the SQL `expression` may bind, folded; raises ConfigError where it is no such expression.

    It must be one expression over columns: no query, no star, no function that reads anything else or says something
    else the next time. Of `a.b` both are named: either may be the column.
    """
    return _parsed(expression)[0]


def check_label(expression: str, columns: Iterable[str]) -> None:
    """Raises ConfigError unless all that `expression` names is one of `columns`, as SQL binds them.

    A name that is none would be bound to what stands around: the table itself, a pseudo column, a function without
    parentheses (`current_date`, `user`).
    """
    existing = {folded(name) for name in columns}
    for name in _parsed(expression)[1]:
        if name not in existing:
            raise label_error(f"{shorten(name)} is no column of the events table")


def label_query(params: RunParams, first: date, last: date) -> str:
    """SQL for `row_id` and `label` of all events of `first` to `last`, in order of row_id; null where there is none."""
    view = quoted(raw_view(params.events))
    days = f"row_id >= {first_row_id(first)} AND row_id < {until_row_id(last)}"
    return f"SELECT row_id, {label_sql(params)} AS label FROM {view} WHERE {days} ORDER BY row_id"  # noqa: S608


def label_sql(params: RunParams) -> str:
    """SQL for the label as a DOUBLE: 0 or 1, the place of a class in `label.classes` (-1: not listed), or a number."""
    expression = f"({params.label.expression})"
    if params.task is not Task.MULTICLASS:
        return f"CAST({expression} AS DOUBLE)"
    classes = ", ".join(text(name) for name in params.label.classes)
    place = f"coalesce(list_position([{classes}], CAST({expression} AS VARCHAR)), 0) - 1"
    return f"CASE WHEN {expression} IS NOT NULL THEN CAST({place} AS DOUBLE) END"

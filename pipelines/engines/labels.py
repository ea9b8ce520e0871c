"""The label as SQL: what it is made of, its values, and the columns that no feature may see because of it."""

from __future__ import annotations

from datetime import date

from pipelines.config.model import Task
from pipelines.config.params import RunParams
from pipelines.engines.sources import first_row_id, quoted, raw_view, text, until_row_id
from pipelines.errors import ConfigError, shorten


def banned(params: RunParams, table: str) -> tuple[str, ...]:
    """The columns of `table` that no feature may see: `after_event`, and what the label is made of (except keys)."""
    declared = params.tables[table].after_event
    if table != params.events:
        return declared
    made_of = [name for name in label_columns(params.label.expression) if name not in params.tables[table].key]
    return tuple(dict.fromkeys((*declared, *made_of)))


def label_columns(expression: str) -> list[str]:
    """The columns that occur in the SQL `expression`; raises ConfigError where it is no expression."""
    import sqlglot
    from sqlglot import exp

    try:
        tree = sqlglot.parse_one(expression, dialect="duckdb")
    except sqlglot.errors.SqlglotError as error:
        raise label_error(str(error)) from None
    return list(dict.fromkeys(column.name for column in tree.find_all(exp.Column)))


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


def label_error(reason: str) -> ConfigError:
    """What is wrong with `label.expression`, for the reader of `model.yaml`."""
    return ConfigError(
        shorten(" ".join(reason.split()), 160),
        where="model.yaml label.expression",
        remedy="write SQL over the columns of the events table",
    )

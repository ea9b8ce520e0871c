"""All checks of a night's raw data."""

from __future__ import annotations

from collections.abc import Mapping
from datetime import date

from pipelines.config.model import Model, Role
from pipelines.databug.categories import categories
from pipelines.databug.constant import constant
from pipelines.databug.days import DayProfiles
from pipelines.databug.finding import Finding
from pipelines.databug.groups import groups
from pipelines.databug.nulls import nulls
from pipelines.databug.rows import rows
from pipelines.databug.scale import scale
from pipelines.databug.schema import schema
from pipelines.databug.sentinel import sentinel
from pipelines.databug.shift import shift
from pipelines.databug.stopped import stopped

# What these find says all about a column: what the others would say of it, or by it of other columns, means nothing.
_ABOUT_COLUMNS = (schema, nulls, constant, scale, sentinel)
_AMONG_COLUMNS = (shift, categories, groups, rows)


def check(tables: Mapping[str, DayProfiles], model: Model, day: date) -> tuple[Finding, ...]:
    """What looks broken in the raw data of `day`, worst first; nothing, as a rule.

    Every bound is relative to the table's own days before, and asks for an effect that matters as well. A table with
    fewer than 14 days of history is judged by what needs none. Reads profiles only.
    """
    found: list[Finding] = []
    for name, days in tables.items():
        if model.tables[name].role is Role.STATIC:
            continue
        found += stopped(name, days, day)
        found += _table(name, days)
    return tuple(sorted(found, key=lambda item: (-item.score, item.table, item.column or "", item.kind)))


def _table(name: str, days: DayProfiles) -> list[Finding]:
    found: list[Finding] = []
    for one in _ABOUT_COLUMNS:
        blamed = {item.column for item in found}
        found += [item for item in one(name, days) if item.column not in blamed]
    rest = days.without({item.column for item in found if item.column is not None})
    return found + [item for one in _AMONG_COLUMNS for item in one(name, rest)]

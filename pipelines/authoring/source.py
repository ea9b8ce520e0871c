"""The author's file: read with suspicion, its columns brought to plain types, its rows put into days of UTC."""

from __future__ import annotations

import difflib
import re
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from datetime import date
from pathlib import Path
from typing import TYPE_CHECKING

from pipelines.authoring.times import into_days, timed
from pipelines.config.model import Validation
from pipelines.errors import ConfigError, DataError, shorten
from pipelines.storage.files import short

if TYPE_CHECKING:
    import pyarrow as pa

MIN_DAYS = 20
# The framework gives events columns of these names, and hides those that the file has.
GIVEN = ("row_id", "event_date", "label", "known_at", "file_row_number")
_LEGAL = re.compile(r"[A-Za-z][A-Za-z0-9_ .-]{0,127}\Z", re.ASCII)


@dataclass(frozen=True)
class Events:
    """The rows of the file in order of their days (within a day in the file's order), and what was done to them.

    `days` are the days that have rows, with the place of their first row and their number of rows.
    """

    data: pa.Table
    days: tuple[tuple[date, int, int], ...]
    label: str
    time: str
    notes: tuple[str, ...]

    @property
    def first(self) -> date:
        """The first day with rows."""
        return self.days[0][0]

    @property
    def last(self) -> date:
        """The last day with rows."""
        return self.days[-1][0]

    def partitions(self) -> Iterator[tuple[date, pa.Table]]:
        """Every day with its rows, in order."""
        for day, start, rows in self.days:
            yield day, self.data.slice(start, rows)

    def with_column(self, name: str, column: pa.Array, note: str) -> Events:
        """The same rows with one more column."""
        return Events(self.data.append_column(name, column), self.days, self.label, self.time, (*self.notes, note))


def read_events(path: Path, label: str, time: str, say: Callable[[str], None]) -> Events:
    """The events in the parquet file at `path`.

    Raises:
        ConfigError: no ordinary file, a column that is not there, times that are none, or too few days.
        DataError: the file is damaged, too large, nested, or holds infinite numbers.
    """
    data = _load(path, say)
    for column, option in ((label, "--label"), (time, "--time")):
        _require(data, column, option)
    if label == time:
        raise ConfigError(
            f"{shorten(repr(label))} cannot be both", where="--label and --time", remedy="name two columns"
        )
    notes: list[str] = []
    data, renamed = _legal_names(data, label, notes)
    label, time = renamed.get(label, label), renamed.get(time, time)
    data = _plain(data, label, time, notes)
    data, days = into_days(timed(data, time, notes), time)
    if len(days) < MIN_DAYS:
        raise ConfigError(
            f"holds {len(days)} days of {shorten(time)} with rows, at least {MIN_DAYS} are needed: some to train on, "
            "some to stop early, some to test",
            where=short(path),
            remedy="bring more days",
        )
    return Events(data, days, label, time, tuple(notes))


def _load(path: Path, say: Callable[[str], None]) -> pa.Table:
    from pipelines.storage.parquet import load

    if path.is_symlink():
        raise ConfigError("is a symbolic link", where=short(path), remedy="name the file itself")
    if not path.is_file():
        problem = "is no ordinary file" if path.exists() else "is not there"
        raise ConfigError(problem, where=short(path), remedy="name a parquet file with --from")
    say(f"reading {path.name}, {path.stat().st_size / 1e6:.1f} MB")
    data = load(path, Validation())[1]
    if data.num_rows == 0:
        raise DataError("holds no rows", where=short(path), remedy="bring data")
    return data


def _require(data: pa.Table, column: str, option: str) -> None:
    if column in data.column_names:
        return
    close = difflib.get_close_matches(column.lower(), [name.lower() for name in data.column_names], 3, 0.5)
    near = [name for name in data.column_names if name.lower() in close] or data.column_names[:6]
    raise ConfigError(
        f"there is no column {shorten(repr(column))}",
        where=option,
        remedy=f"choose one of: {shorten(', '.join(near), 120)}",
    )


def _legal_names(data: pa.Table, label: str, notes: list[str]) -> tuple[pa.Table, dict[str, str]]:
    """The table with names that may stand in `model.yaml`, and old -> new name where they differ."""
    renamed: dict[str, str] = {}
    for old in data.column_names:
        own = old.lower() in GIVEN and not old == label == "label"
        if _LEGAL.match(old) and not own:
            continue
        stem = re.sub(r"[^A-Za-z0-9]+", "_", old).strip("_")[:100]
        if stem.lower() in GIVEN:
            stem = f"source_{stem.lower()}"
        elif not stem[:1].isalpha():
            stem = f"column_{stem}".rstrip("_")
        taken = {*data.column_names, *renamed.values()}
        renamed[old] = next(name for name in (stem, *(f"{stem}_{n}" for n in range(2, 3000))) if name not in taken)
    for old, new in renamed.items():
        notes.append(f"column {shorten(repr(old), 40)} is called {new} in the lake: its own name cannot be used")
    data = data.rename_columns([renamed.get(name, name) for name in data.column_names])
    _refuse_case_twins(data.column_names)
    return data, renamed


def _refuse_case_twins(columns: list[str]) -> None:
    seen: dict[str, str] = {}
    for name in columns:
        twin = seen.setdefault(name.lower(), name)
        if twin != name:
            raise ConfigError(
                f"columns {shorten(repr(twin), 40)} and {shorten(repr(name), 40)} differ in case only",
                where="--from",
                remedy="SQL cannot tell them apart: rename one",
            )


def _plain(data: pa.Table, label: str, time: str, notes: list[str]) -> pa.Table:
    """Types that every engine reads alike: NaN becomes null, half floats floats, columns without a type go."""
    import pyarrow as pa

    for index, field in reversed(list(enumerate(data.schema))):
        column, kind = data.column(index), field.type
        if pa.types.is_null(kind) and field.name not in (label, time):
            data = data.remove_column(index)
            notes.append(f"column {field.name} holds nothing but nulls and is not taken over")
            continue
        if pa.types.is_floating(kind):
            column = column.cast(pa.float32()) if pa.types.is_float16(kind) else column
            column = _finite(column, field.name, notes)
        elif pa.types.is_large_string(kind):
            column = column.cast(pa.string())
        elif pa.types.is_timestamp(kind) and kind.unit == "ns":
            column = column.cast(pa.timestamp("us", kind.tz), safe=False)
        if column is not data.column(index):
            data = data.set_column(index, field.name, column)
    return data.replace_schema_metadata(None)


def _finite(column: pa.ChunkedArray, name: str, notes: list[str]) -> pa.ChunkedArray:
    import pyarrow as pa
    import pyarrow.compute as pc

    infinite = pc.sum(pc.is_inf(column)).as_py() or 0
    if infinite:
        raise DataError(
            f"column {shorten(name)}: {infinite} of {len(column)} values are infinite",
            where="--from",
            remedy="make them null: every partition with one would be quarantined",
        )
    nan = pc.sum(pc.is_nan(column)).as_py() or 0
    if not nan:
        return column
    notes.append(f"{name}: {nan:,} NaN are null in the lake")
    return pc.if_else(pc.is_nan(column), pa.scalar(None, column.type), column)

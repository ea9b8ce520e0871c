"""The author's file: read with suspicion, its columns brought to plain types, its rows put into days."""

from __future__ import annotations

import difflib
import re
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, replace
from datetime import date
from pathlib import Path
from typing import TYPE_CHECKING

from pipelines.authoring.csv_file import is_csv, load_csv
from pipelines.authoring.plain import plain
from pipelines.authoring.times import into_days, timed, zone_of
from pipelines.config.model import Validation
from pipelines.engines.sources import folded
from pipelines.errors import ConfigError, DataError, shorten
from pipelines.storage.files import short

if TYPE_CHECKING:
    import pyarrow as pa

MIN_DAYS = 20
# The framework gives events columns of these names, and hides those that the file has.
GIVEN = ("row_id", "event_date", "label", "known_at")
# DuckDB has columns of its own by these names, and the helpers for features one.
_ENGINE = ("filename", "file_index", "file_row_number", "_day")


@dataclass(frozen=True)
class Events:
    """The rows of the file in order of their days (within a day in the file's order), and what was done to them.

    `days` are the days of `zone` that have rows, with the place of their first row and their number of rows.
    """

    data: pa.Table
    days: tuple[tuple[date, int, int], ...]
    label: str
    time: str
    notes: tuple[str, ...]
    zone: str = "UTC"

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
        return replace(self, data=self.data.append_column(name, column), notes=(*self.notes, note))


@dataclass(frozen=True)
class Request:
    """What the author asks for: the file, and the columns and the form of its label and time."""

    path: Path
    label: str
    time: str
    time_format: str = ""


def read_events(request: Request, say: Callable[[str], None]) -> Events:
    """The events in the parquet or CSV file that `request` names.

    Raises:
        ConfigError: no ordinary file, a column that is not there, times that are none, or too few days.
        DataError: the file is damaged, too large, nested, or holds infinite numbers.
    """
    label, time = request.label, request.time
    if label == time:
        raise ConfigError(
            f"{shorten(repr(label))} cannot be both", where="--label and --time", remedy="name two columns"
        )
    data = _load(request.path, (label, time), say)
    for column, option in ((label, "--label"), (time, "--time")):
        _require(data, column, option)
    notes: list[str] = []
    data, renamed = _legal_names(data, (label, time), notes)
    label, time = renamed.get(label, label), renamed.get(time, time)
    zone = zone_of(data.schema.field(time).type, time, notes)
    data = timed(plain(data, (label, time), notes), time, request.time_format, zone, notes)
    data, days = into_days(data, time, zone)
    if len(days) < MIN_DAYS:
        raise ConfigError(
            f"holds {len(days)} days of {shorten(time)} with rows, at least {MIN_DAYS} are needed: some to train on, "
            "some to stop early, some to test",
            where=short(request.path),
            remedy="bring more days",
        )
    return Events(data, days, label, time, tuple(notes), zone or "UTC")


def _load(path: Path, asked: tuple[str, str], say: Callable[[str], None]) -> pa.Table:
    from pipelines.storage.parquet import load

    if path.is_symlink():
        raise ConfigError("is a symbolic link", where=short(path), remedy="name the file itself")
    if not path.is_file():
        problem = "is no ordinary file" if path.exists() else "is not there"
        raise ConfigError(problem, where=short(path), remedy="name a parquet or CSV file with --from")
    say(f"reading {path.name}, {path.stat().st_size / 1e6:.1f} MB")
    data = load_csv(path, asked) if is_csv(path) else load(path, Validation())[1]
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


def _legal_names(data: pa.Table, asked: Sequence[str], notes: list[str]) -> tuple[pa.Table, dict[str, str]]:
    """The table with names that may stand in `model.yaml`, and old -> new name of those of `asked` that differ.

    Other columns whose names cannot be used are not taken over: under another name tomorrow's file would lack them.
    """
    taken = [name for name in data.column_names if name in asked or not _reserved(name)]
    for name in data.column_names:
        if name not in taken:
            why = "Evergreen gives its tables a column of this name" if _legal(name) else "its name cannot be used"
            notes.append(f"column {shorten(repr(name), 40)} is not taken over: {why}; rename it to use it")
    _refuse_case_twins(taken)
    renamed: dict[str, str] = {}
    for old in asked:
        if _reserved(old) and not old == asked[0] == "label":
            renamed[old] = _free_name(old, taken)
            notes.append(
                f"column {shorten(repr(old), 40)} is called {renamed[old]} in the lake, its own name cannot be used: "
                "deliver it so"
            )
    return data.select(taken).rename_columns([renamed.get(name, name) for name in taken]), renamed


def _reserved(name: str) -> bool:
    return name.lower() in (*GIVEN, *_ENGINE) or not _legal(name)


def _legal(name: str) -> bool:
    """Whether `model.yaml` can name a column so."""
    from pydantic import TypeAdapter, ValidationError

    from pipelines.config.strict import Column

    try:
        TypeAdapter(Column).validate_python(name)
    except ValidationError:
        return False
    return True


def _free_name(old: str, taken: Sequence[str]) -> str:
    stem = re.sub(r"[^A-Za-z0-9]+", "_", old).strip("_")[:100]
    if stem.lower() in (*GIVEN, *_ENGINE):
        stem = f"source_{stem.lower()}"
    elif not stem[:1].isalpha():
        stem = f"column_{stem}".rstrip("_")
    used = {name.lower() for name in taken}
    return next(name for name in (stem, *(f"{stem}_{n}" for n in range(2, 3000))) if name.lower() not in used)


def _refuse_case_twins(columns: Sequence[str]) -> None:
    seen: dict[str, str] = {}
    for name in columns:
        twin = seen.setdefault(folded(name), name)
        if twin != name:
            raise ConfigError(
                f"columns {shorten(repr(twin), 40)} and {shorten(repr(name), 40)} differ in case only",
                where="--from",
                remedy="SQL cannot tell them apart: rename one",
            )

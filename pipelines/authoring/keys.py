"""The key: the smallest set of columns that no two rows of the file share."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from itertools import combinations
from typing import TYPE_CHECKING, Any

from pipelines.authoring.columns import Column
from pipelines.authoring.source import Events
from pipelines.authoring.words import looks_like_id

if TYPE_CHECKING:
    import pyarrow as pa

ROW_NUMBER = "row_number"
MAX_TRIED = 400
LONGEST_TEXT = 100  # what is longer is prose, not the name of a row
_SAMPLE = 20_000


def find_key(events: Events, columns: Sequence[Column]) -> tuple[str, ...]:
    """The columns of the key, or none where no set of up to four is unique.

    One id-like column is best, then one of short texts, then the event time alone or with others: numbers that are
    unique may be so by chance.
    """
    usable = [column for column in columns if _usable(column, events)]
    codes = {column.name: _codes(events.data.column(column.name)) for column in usable}
    # Columns with many values first: they are the most likely to tell rows apart.
    order = sorted(usable, key=lambda column: (not looks_like_id(column.name), -column.distinct))
    for tried, names in enumerate(_candidates(order, events)):
        if tried >= MAX_TRIED:
            break
        if _unique([codes[name] for name in names]):
            return names
    return ()


def numbered(events: Events) -> tuple[Events, tuple[str, ...]]:
    """The events with a column that numbers the rows of each day, and the key that makes with the event time."""
    import pyarrow as pa

    name = next(n for n in (ROW_NUMBER, *(f"{ROW_NUMBER}_{i}" for i in range(2, 3000))) if _free(n, events))
    numbers = pa.array([number for _, _, rows in events.days for number in range(rows)], pa.int64())
    note = (
        f"no few columns tell the rows apart: {name}, the row's number within its day, is added in the lake; "
        "the daily files you deliver need it too, or a key of your own"
    )
    return events.with_column(name, numbers, note), (events.time, name)


def _free(name: str, events: Events) -> bool:
    return name not in {column.lower() for column in events.data.column_names}


def _usable(column: Column, events: Events) -> bool:
    if column.nulls or column.name == events.label or column.distinct < 2:
        return False
    if column.name == events.time:
        return True
    # Other times and decimals may be unique by chance today, and quarantine a day that repeats one tomorrow.
    if not column.type.startswith(("int", "uint", "string")):
        return False
    return column.type != "string" or _longest(events, column.name) <= LONGEST_TEXT


def _longest(events: Events, name: str) -> int:
    import pyarrow.compute as pc

    return int(pc.max(pc.utf8_length(events.data.column(name))).as_py() or 0)


def _candidates(order: Sequence[Column], events: Events) -> Iterator[tuple[str, ...]]:
    names = [column.name for column in order if column.name != events.time]
    ids = [column.name for column in order if looks_like_id(column.name) and column.name != events.time]
    texts = [column.name for column in order if column.type == "string" and column.name != events.time]
    yield from ((name,) for name in dict.fromkeys((*ids, *texts)))
    yield (events.time,)
    yield from ((events.time, name) for name in names)
    yield from (pair for pair in combinations(ids, 2))
    yield from ((name,) for name in names)
    for more in (2, 3):
        yield from ((events.time, *rest) for rest in combinations(names[:10], more))


def _codes(column: pa.ChunkedArray) -> Any:
    import numpy as np

    encoded = column.dictionary_encode().combine_chunks()
    return encoded.indices.to_numpy().astype(np.int64), len(encoded.dictionary)


def _unique(parts: Sequence[Any]) -> bool:
    """Whether no two rows share their codes; most candidates are told by a sample already."""
    import numpy as np

    rows = len(parts[0][0])
    for size in (min(rows, _SAMPLE), rows):
        code = np.zeros(size, dtype=np.int64)
        for indices, distinct in parts:
            code = code * distinct + indices[:size]
            # Numbered anew after each column, so that the product of many columns cannot overflow.
            code = np.unique(code, return_inverse=True)[1].reshape(-1).astype(np.int64)
        if len(np.unique(code)) < size:
            return False
    return True

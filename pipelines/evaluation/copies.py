"""Rows that came more than once: alike in every feature and the label, which few rows of few days are by nature."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Mapping, Sequence
from dataclasses import replace
from datetime import date, timedelta
from typing import TYPE_CHECKING, Any

from pipelines.engines.columns import Columns
from pipelines.engines.rows import Rows
from pipelines.evaluation.metrics import rounded
from pipelines.evaluation.poisoning import Copies, windows

if TYPE_CHECKING:
    import pyarrow as pa
    from numpy.typing import NDArray

    Array = NDArray[Any]

# Copies are counted within windows of equal length: among more rows more are alike without anybody's doing.
WINDOWS_BEFORE = 3


def measure(test: Rows, columns: Columns, days: int, earliest: date) -> Copies:
    """The window of `days` days of `test` with most copies, against windows before it, back to `earliest`."""
    start = max(earliest, test.first - timedelta(days=WINDOWS_BEFORE * days))
    marks = _daily_marks(replace(test, first=start), columns)
    spans = windows(test.first, test.last, days)
    found = [(_share(marks, span), span) for span in spans]
    share, (first, last) = max(found, default=(0.0, (test.first, test.last)))
    length = (last - first).days + 1
    before = [
        _share(marks, span)
        for span in windows(start, test.first - timedelta(days=1), length)
        if (span[1] - span[0]).days + 1 == length
    ]
    return Copies(first, last, rounded(share) or 0.0, rounded(max(before, default=0.0)) or 0.0)


def _share(marks: Mapping[date, Sequence[Array]], span: tuple[date, date]) -> float:
    """The share of rows of a window that are like an earlier one of it; 0 without rows."""
    import numpy as np

    parts = [part for day, found in marks.items() if span[0] <= day <= span[1] for part in found]
    total = sum(len(part) for part in parts)
    return 1 - len(np.unique(np.concatenate(parts))) / total if total else 0.0


def _daily_marks(rows: Rows, columns: Columns) -> dict[date, list[Array]]:
    import numpy as np
    import pyarrow as pa

    found: dict[date, list[Array]] = defaultdict(list)
    for batch in rows.batches([*columns.names, "label", "event_date"]):
        marks = _marks(columns.block(batch), batch.column("label"))
        days = batch.column("event_date").cast(pa.date32()).cast(pa.int32()).to_numpy()
        for one in np.unique(days):
            found[date(1970, 1, 1) + timedelta(days=int(one))].append(marks[days == one])
    return found


def _marks(block: Array, label: pa.Array) -> Array:
    """A number (n,) for every row that is the same for the same features and label, and hardly for others."""
    import numpy as np

    values = np.column_stack([block, label.to_numpy(zero_copy_only=False).astype(np.float32)])
    bits = np.ascontiguousarray(values + np.float32(0)).view(np.uint32).astype(np.uint64)  # + 0: -0 is 0
    mixed = np.zeros(len(bits), np.uint64)
    for column in bits.T:
        mixed = (mixed ^ column) * np.uint64(0x9E3779B97F4A7C15)
        mixed ^= mixed >> np.uint64(29)
    return mixed

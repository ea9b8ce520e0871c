"""What must hold for every row of a feature table before it is kept."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import date, timedelta
from typing import TYPE_CHECKING

from pipelines.config.model import Task
from pipelines.engines.labels import LARGEST_LABEL
from pipelines.engines.schema import WHERE
from pipelines.engines.sources import DAY_ROWS, EPOCH
from pipelines.errors import DataError, shorten

if TYPE_CHECKING:
    import numpy as np
    import pyarrow as pa
    from numpy.typing import NDArray

_DAY_MICROSECONDS = 86_400_000_000


def check_rows(table: pa.Table, expected: int, period: str) -> None:
    """Every one of the `expected` events once, in order of `row_id`, known when its day begins, nothing infinite.

    Raises:
        DataError: it does not hold; names the count, the column, a row.
    """
    row_ids = table["row_id"].to_numpy()
    _check_once(row_ids, expected, period)
    _check_known(table, row_ids, period)
    _check_finite(table, row_ids, period)


def check_labels(row_ids: NDArray[np.int64], labels: pa.Table, task: Task, classes: int, period: str) -> None:
    """`labels` stand in the order of `row_ids`, and each is null or a value that `task` can learn.

    Raises:
        DataError: a label is not a number, or not one of the task's.
    """
    import numpy as np

    if not np.array_equal(labels["row_id"].to_numpy(), row_ids):
        raise DataError(
            "the rows changed between two readings", where=period, remedy="pull the partitions again from the ledger"
        )
    values = labels["label"].drop_null().to_numpy()
    bad = ~np.isfinite(values)
    if task is Task.BINARY:
        bad |= (values != 0) & (values != 1)
    if task is Task.MULTICLASS:
        bad |= (values < 0) | (values >= classes) | (values != np.floor(values))
    if task is Task.REGRESSION:
        bad |= np.abs(values) > LARGEST_LABEL
    if bad.any():
        worst = values[bad][0]
        shown = "a class that label.classes does not list" if task is Task.MULTICLASS else f"{worst:g}"
        raise DataError(
            f"{int(bad.sum())} labels are not legal for a {task} model; the first is {shown}",
            where=f"label, {period}",
            remedy="mend label.expression, or let validation refuse such rows"
            if task is not Task.REGRESSION
            else f"mend label.expression, or divide it by a unit that leaves less than {LARGEST_LABEL:g}",
        )


def day_of(row_id: int) -> date:
    """The day of the row."""
    return EPOCH + timedelta(days=int(row_id) // DAY_ROWS)


def place(row_id: int) -> str:
    """Day and number of the row, for messages."""
    return f"row {int(row_id) % DAY_ROWS} of {day_of(row_id)}"


def doubled(count: int, row_id: int, period: str) -> DataError:
    """What to say of events that come out more than once."""
    return DataError(
        f"{count} rows stand twice or more, first {place(row_id)}",
        where=f"{WHERE}, {period}",
        remedy="join on keys that are unique in the other table",
    )


def lost(count: int, expected: int, period: str) -> DataError:
    """What to say of events that do not come out."""
    return DataError(
        f"{count} rows for {expected} events",
        where=f"{WHERE}, {period}",
        remedy="keep every row of the events table: use left joins and no filter",
    )


def _check_once(row_ids: NDArray[np.int64], expected: int, period: str) -> None:
    import numpy as np

    again = row_ids[1:][np.diff(row_ids) == 0]
    if len(again):
        raise doubled(len(again), again[0], period)
    if len(row_ids) != expected:
        raise lost(len(row_ids), expected, period)


def _check_known(table: pa.Table, row_ids: NDArray[np.int64], period: str) -> None:
    import pyarrow as pa

    column = table["known_at"]
    if column.null_count:
        raise DataError(f"known_at is null in {column.null_count} rows", where=f"{WHERE}, {period}")
    known = column.cast(pa.timestamp("us")).cast(pa.int64()).to_numpy()
    late = known > (row_ids // DAY_ROWS) * _DAY_MICROSECONDS
    if late.any():
        raise DataError(
            f"{int(late.sum())} rows are known only after their day has begun, first {place(row_ids[late][0])}",
            where=f"{WHERE} known_at, {period}",
            remedy="use what is known at midnight when the event's day begins",
        )


def _check_finite(table: pa.Table, row_ids: NDArray[np.int64], period: str) -> None:
    import numpy as np

    for name in _floats(table):
        # Null comes out as NaN, which is no infinity; a number that 32 bits do not hold comes as one (frame.py).
        infinite = np.isinf(table[name].to_numpy())
        if infinite.any():
            raise DataError(
                f"{int(infinite.sum())} values are infinite or beyond 3.4e38, first {place(row_ids[infinite][0])}",
                where=f"{WHERE} feature {shorten(name)}, {period}",
                remedy="guard the division or logarithm, as in x / y.nullif(0), or bound it, as in x.clip(upper=1e30)",
            )


def _floats(table: pa.Table) -> Sequence[str]:
    import pyarrow as pa

    return [field.name for field in table.schema if pa.types.is_floating(field.type)]

"""Columns that say nearly the same, as a time and its schedule do, are profiled by their difference as well.

A histogram of each cannot tell that both moved apart by an hour: what is usual for the one hides what is odd about the
other. Their difference, row by row, can.
"""

from __future__ import annotations

from collections.abc import Iterable
from itertools import combinations
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    import numpy as np
    import pyarrow as pa
    from numpy.typing import NDArray

NEAR = 0.1  # of the distance between either's quartiles: so near are they in half of the rows, and are not the same
MOST = 8  # pairs of a table
_MOST_COLUMNS = 60
_ROWS = 20_000
_JOIN = " - "


def find_twins(table: pa.Table) -> list[str]:
    """The names of the differences worth watching, `a - b`, nearest first; at most 20,000 rows are looked at."""
    import numpy as np

    step = -(-table.num_rows // _ROWS) or 1
    columns = {name: _numbers(table, name)[::step] for name in _number_columns(table)[:_MOST_COLUMNS]}
    widths = {name: float(np.subtract(*np.nanpercentile(x, [75, 25]))) for name, x in columns.items() if _known(x)}
    found = []
    for a, b in combinations(widths, 2):
        apart = np.abs(columns[a] - columns[b])
        if not _known(apart) or min(widths[a], widths[b]) <= 0 or f"{a}{_JOIN}{b}" in table.column_names:
            continue
        near = float(np.nanmedian(apart)) / min(widths[a], widths[b])
        if near <= NEAR and float(np.nanmax(apart)) > 0:
            found.append((near, f"{a}{_JOIN}{b}"))
    return [name for _, name in sorted(found)[:MOST]]


def with_twins(table: pa.Table, names: Iterable[str]) -> pa.Table:
    """`table` with the differences that `names` names (other names are passed over), as columns of doubles."""
    import pyarrow as pa

    numbers = set(_number_columns(table))
    for name in names:
        a, b = twins_of(name) or ("", "")
        if name not in table.column_names and {a, b} <= numbers:
            apart = _numbers(table, a) - _numbers(table, b)
            table = table.append_column(name, pa.array(apart, from_pandas=True))
    return table


def twins_of(name: str) -> tuple[str, str] | None:
    """The two columns of a difference; None: a column of the table's own."""
    a, join, b = name.partition(_JOIN)
    return (a, b) if join and a and b else None


def _known(values: NDArray[np.float64]) -> bool:
    import numpy as np

    return bool(np.isfinite(values).any())


def _number_columns(table: pa.Table) -> list[str]:
    import pyarrow as pa

    is_a = pa.types
    return [f.name for f in table.schema if is_a.is_integer(f.type) or is_a.is_floating(f.type)]


def _numbers(table: pa.Table, name: str) -> NDArray[np.float64]:
    import numpy as np
    import pyarrow as pa

    values = table.column(name).cast(pa.float64(), safe=False).to_numpy()
    finite: NDArray[np.float64] = np.where(np.isfinite(values), values, np.nan)
    return finite

"""Samples that depend on the rows' ids alone: the same whatever the files, batches or threads."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING, Any

from pipelines.engines.rows import Rows

if TYPE_CHECKING:
    import numpy as np
    import pyarrow as pa
    from numpy.typing import NDArray

MOST_WALKS = 50_000_000
FEWEST_ROWS = 100


def affordable(rows: int, times: int, trees: int) -> int:
    """How many of `rows` may be scored `times` over by a model of `trees` trees: all, or fewer where that costs much.

    A row in a tree is a walk of some ten nanoseconds; fifty million walks are about a second. At least 100 rows.
    """
    return min(rows, max(FEWEST_ROWS, MOST_WALKS // max(1, times * trees)))


def spread(rows: int, count: int) -> NDArray[Any]:
    """The places of `count` of `rows` rows (all, if there are no more), evenly spaced from the first to the last."""
    import numpy as np

    return np.linspace(0, rows - 1, min(rows, count)).astype(np.int64)


def sample(rows: Rows, columns: Sequence[str], count: int) -> pa.Table:
    """At most `count` of `rows` with `columns`, in their order: those whose ids' hashes are lowest."""
    import pyarrow as pa

    limit = _limit(rows, count)
    wanted = list(dict.fromkeys([*columns, "row_id"]))
    parts = []
    for batch in rows.batches(wanted):
        kept = batch
        if limit is not None:
            kept = batch.filter(pa.array(_mixed(batch.column("row_id").to_numpy(zero_copy_only=False)) <= limit))
        parts.append(kept.select(list(columns)))
    return pa.Table.from_batches(parts).unify_dictionaries().combine_chunks()


def _limit(rows: Rows, count: int) -> np.uint64 | None:
    """The hash up to which `count` rows lie; None if there are no more rows than that."""
    import numpy as np

    lowest, seen = np.empty(0, np.uint64), 0
    for batch in rows.batches(["row_id"]):
        hashes = _mixed(batch.column("row_id").to_numpy(zero_copy_only=False))
        seen += len(hashes)
        lowest = np.concatenate([lowest, hashes])
        if len(lowest) > count:
            lowest = np.partition(lowest, count - 1)[:count]
    return lowest.max() if seen > count else None


def _mixed(row_id: NDArray[Any]) -> NDArray[Any]:
    """SplitMix64's finaliser: neighbouring ids land far apart, and no two ids on the same number."""
    import numpy as np

    mixed = row_id.astype(np.uint64)
    for shift, factor in ((30, 0xBF58476D1CE4E5B9), (27, 0x94D049BB133111EB)):
        mixed = (mixed ^ (mixed >> np.uint64(shift))) * np.uint64(factor)
    return mixed ^ (mixed >> np.uint64(31))

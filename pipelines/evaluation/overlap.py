"""Whether what a model is judged on is something that it has learnt from: days, rows, and models themselves."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import date, timedelta
from typing import TYPE_CHECKING, Any

from pipelines.engines.rows import Rows
from pipelines.evaluation.keys import SharedKeys

if TYPE_CHECKING:
    from numpy.typing import NDArray

Days = tuple[date, date]
_EPOCH = date(1970, 1, 1)


@dataclass(frozen=True)
class OverlapFacts:
    """Days as the run's records and as the rows themselves have them.

    `trained` and `released` are the days that the train stage says trial and release were given, `tested` those of the
    test rows. `shared_rows` counts ids that training and test rows have in common, `keys` those whose key is on both
    sides. `one_model`: trial and release are
    the same bytes. `champion_seen` is the last day that the champion's train stage says it was given, `compared` the
    first of those it is judged on, which its run's parameters choose; None: nobody to compare with, or no row.
    """

    trained: Days
    released: Days
    matured: date
    tested: Days
    rows: int
    shared_rows: int
    keys: SharedKeys
    one_model: bool
    champion_seen: date | None = None
    compared: date | None = None


def days_of(day: NDArray[Any]) -> Days:
    """The first and the last of `day` (n,), days since 1970; n is 1 or more."""
    return _EPOCH + timedelta(days=int(day.min())), _EPOCH + timedelta(days=int(day.max()))


def shared_rows(train: Rows, test: NDArray[Any]) -> int:
    """How many of the ids `test` (n,) are ids of `train`'s rows too."""
    import numpy as np

    known, first, found = np.sort(test), int(test.min()), 0
    for batch in train.batches(["row_id"]):
        ids = batch.column("row_id").to_numpy(zero_copy_only=False)
        # Ids rise with the days: as a rule a comparison of two numbers answers for a whole batch.
        if int(ids.max()) >= first:
            found += int(np.isin(known, ids).sum())
    return found

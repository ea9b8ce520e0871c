from datetime import date

import numpy as np
import pyarrow as pa

from pipelines.ledger.manifest import Partition
from pipelines.night.truth import Truth, labels_for

DAY = date(2024, 1, 5)
ITEM = Partition(
    table="orders",
    partition=DAY.isoformat(),
    revision=1,
    path="",
    sha256="0" * 64,
    md5="",
    rows=3,
    bytes=1,
    source="",
    etag="",
    verdict="accepted",
    suite="",
)


def truth(keys: list[int], labels: list[float | None], kind: pa.DataType | None = None) -> Truth:
    table = {"order": pa.array(keys, kind or pa.int32()), "shop": pa.array(["n"] * len(keys))}
    return Truth(DAY, ITEM, pa.table(table | {"label": pa.array(labels, pa.float64())}))


def predictions(keys: list[int]) -> pa.Table:
    shop = pa.array(["n"] * len(keys))
    return pa.table({"order": pa.array(keys, pa.int32()), "shop": shop, "score": pa.array([0.5] * len(keys))})


def test_labels_stand_beside_the_rows_they_belong_to() -> None:
    found = labels_for(predictions([1, 2, 3]), truth([1, 2, 3], [0.0, None, 1.0]))
    np.testing.assert_array_equal(found, [0.0, np.nan, 1.0])


def test_a_correction_may_move_add_and_drop_rows() -> None:
    found = labels_for(predictions([1, 2, 3]), truth([9, 3, 1], [1.0, 0.0, 1.0]))
    np.testing.assert_array_equal(found, [1.0, np.nan, 0.0])


def test_a_correction_may_widen_a_key() -> None:
    found = labels_for(predictions([1, 2]), truth([2, 1], [0.0, 1.0], pa.int64()))
    np.testing.assert_array_equal(found, [1.0, 0.0])


def test_of_two_rows_with_one_key_the_answer_is_the_same_at_every_time() -> None:
    found = labels_for(predictions([1, 2]), truth([1, 1, 2], [1.0, 0.0, 1.0]))
    np.testing.assert_array_equal(found, [0.0, 1.0])

"""From the feature table to XGBoost and back to scores."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa
import pytest
import xgboost
from feature_tables import COLUMNS, FeatureTable, make, signature

from pipelines.config.model import Training
from pipelines.engines import matrix as module
from pipelines.engines import rows as rows_module
from pipelines.engines.columns import Columns
from pipelines.engines.matrix import contributions, matrix, predict
from pipelines.errors import DataError
from pipelines.storage.model_file import NULL_NUMBER, Feature

TRAINING = Training(threads=1)
QUIET: Any = lambda _: None  # noqa: E731


def batch(**columns: Any) -> pa.RecordBatch:
    return pa.record_batch(columns)


def block(kind: str, values: pa.Array) -> list[float]:
    columns = Columns((Feature(name="x", kind=kind),), {"x": ("(unknown)", "a", "b")})  # type: ignore[arg-type]
    return [float(value) for value in columns.block(batch(x=values))[:, 0]]


def fitted(table: FeatureTable, **params: Any) -> xgboost.Booster:
    binned = matrix(table.rows(), COLUMNS, TRAINING, progress=QUIET)
    return xgboost.train({"objective": "binary:logistic", "nthread": 1, "max_depth": 4} | params, binned, 12)


@pytest.mark.parametrize(
    "values",
    [
        pa.array(["a", "b", None, "z", "(unknown)"]),
        pa.array(["a", "b", None, "z", "(unknown)"]).dictionary_encode(),
        pa.array(["a", "b", None, "z", "(unknown)"], pa.large_string()),
        pa.DictionaryArray.from_arrays(pa.array([1, 3, None, 0, 2], pa.int8()), ["z", "a", None, "b"]),
    ],
    ids=["text", "dictionary", "large text", "null in the dictionary"],
)
def test_a_category_is_its_place_in_the_vocabulary(values: pa.Array) -> None:
    assert block("category", values) == [1, 2, 0, 0, 0]


@pytest.mark.parametrize(
    ("values", "expected"),
    [
        (pa.array([1.5, None, float("nan")]), [1.5, NULL_NUMBER, NULL_NUMBER]),
        (pa.array([1, None, 2**24 + 1]), [1.0, NULL_NUMBER, 2.0**24]),
        (pa.array([True, False, None]), [1.0, 0.0, NULL_NUMBER]),
        (pa.array([3, 4], pa.uint8()), [3.0, 4.0]),
    ],
)
def test_a_number_is_float32_and_its_null_lies_below_all_others(values: pa.Array, expected: list[float]) -> None:
    assert block("number", values) == [float(np.float32(value)) for value in expected]


@pytest.mark.parametrize("values", [pa.array([1.0, float("inf")]), pa.array([0.0, -1e300])])
def test_24_an_infinite_number_is_refused_by_name_and_count(values: pa.Array) -> None:
    with pytest.raises(DataError, match=r"feature x is infinite in 1 of 2 rows, as in (inf|-1e\+300)"):
        block("number", values)


def test_text_where_a_number_should_be_is_refused() -> None:
    with pytest.raises(DataError, match="feature x is string, not a number"):
        block("number", pa.array(["1", "two"]))


def test_the_matrix_is_the_same_however_it_is_read(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    table = make(tmp_path)
    models = []
    for rows, keep in ((250_000, module.KEEP_BYTES), (250_000, 0), (333, module.KEEP_BYTES), (333, 8_000), (333, 0)):
        monkeypatch.setattr(rows_module, "BATCH_ROWS", rows)
        monkeypatch.setattr(module, "KEEP_BYTES", keep)
        models.append(bytes(fitted(table).save_raw("json")))
    assert models[0] == models[1]
    assert models[2] == models[3] == models[4]


def test_the_matrix_carries_names_types_labels_and_weights(tmp_path: Path) -> None:
    table = make(tmp_path)
    binned = matrix(table.rows(), COLUMNS, TRAINING, weights=(1.0, 3.0), progress=QUIET)
    labels = np.concatenate([item.column("label").to_numpy() for item in table.rows().batches(["label"])])
    assert binned.feature_names == COLUMNS.names
    assert binned.feature_types == COLUMNS.types
    assert np.array_equal(binned.get_label(), labels)
    assert np.array_equal(binned.get_weight(), np.where(labels == 1, 3, 1))
    assert binned.num_nonmissing() == binned.num_row() * binned.num_col()


def test_27_no_rows_are_refused(tmp_path: Path) -> None:
    def unlabel(table: pa.Table) -> pa.Table:
        return table.set_column(2, "label", pa.nulls(len(table), pa.float64()))

    table = make(tmp_path, change=unlabel)
    with pytest.raises(DataError, match="no labelled rows"):
        matrix(table.rows(), COLUMNS, TRAINING, progress=QUIET)


@pytest.mark.parametrize("value", [None, float("nan")])
def test_29_a_feature_without_a_value_is_refused(tmp_path: Path, value: float | None) -> None:
    def blank(table: pa.Table) -> pa.Table:
        return table.set_column(
            table.column_names.index("noise"), "noise", pa.array([value] * len(table), pa.float32())
        )

    table = make(tmp_path, change=blank)
    with pytest.raises(DataError, match="feature noise is null in all"):
        matrix(table.rows(), COLUMNS, TRAINING, progress=QUIET)


def test_24_an_infinite_feature_stops_the_matrix(tmp_path: Path) -> None:
    def spoil(table: pa.Table) -> pa.Table:
        values = table.column("noise").to_numpy().copy()
        values[3] = np.inf
        return table.set_column(table.column_names.index("noise"), "noise", pa.array(values))

    with pytest.raises(DataError, match="feature noise is infinite"):
        matrix(make(tmp_path, change=spoil).rows(), COLUMNS, TRAINING, progress=QUIET)


def test_scores_do_not_depend_on_batches_or_on_the_way_of_scoring(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    table = make(tmp_path)
    model, names = fitted(table), COLUMNS.names
    whole = predict(model, signature(), table.rows(labelled=False).batches(names))
    monkeypatch.setattr(rows_module, "BATCH_ROWS", 41)
    streamed = predict(model, signature(), table.rows(labelled=False).batches(names))
    blocks = [COLUMNS.block(item) for item in table.rows(labelled=False).batches(names)]
    data = xgboost.DMatrix(
        np.concatenate(blocks), feature_names=names, feature_types=COLUMNS.types, enable_categorical=True
    )
    assert whole.dtype == np.float32
    assert len(whole) == 40 * 60
    assert np.array_equal(whole, streamed)
    assert np.array_equal(whole, model.predict(data))


def test_33_an_unseen_category_is_scored_as_unknown(tmp_path: Path) -> None:
    model = fitted(make(tmp_path))
    row = {"speed": [0.1], "noise": [0.0], "count": [3]}
    scores = [predict(model, signature(), [batch(**row, place=[place])]) for place in ("south", "\0", None)]
    assert scores[0] == scores[1] == scores[2]
    assert 0 < float(scores[0][0]) < 1


def test_no_batches_give_no_scores(tmp_path: Path) -> None:
    model = fitted(make(tmp_path))
    assert predict(model, signature(), []).shape == (0,)
    assert predict(model, signature(task="multiclass", classes=("a", "b", "c")), []).shape == (0, 3)


def test_contributions_add_up_to_the_margin(tmp_path: Path) -> None:
    table = make(tmp_path)
    model = fitted(table)
    first = next(table.rows().batches(COLUMNS.names))
    parts = contributions(model, signature(), first)
    assert parts.shape == (first.num_rows, 5)
    scores = predict(model, signature(), [first]).astype(float)
    assert np.allclose(parts.sum(axis=1), np.log(scores / (1 - scores)), atol=1e-4)

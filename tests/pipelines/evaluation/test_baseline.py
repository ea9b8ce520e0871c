from datetime import date, timedelta

import numpy as np
import pyarrow as pa
import pytest
from sklearn.compose import ColumnTransformer
from sklearn.impute import SimpleImputer
from sklearn.linear_model import LogisticRegression
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import OneHotEncoder, StandardScaler

from pipelines.config.model import Task
from pipelines.engines.columns import Columns
from pipelines.engines.rows import Rows
from pipelines.evaluation import baseline
from pipelines.evaluation.sampling import sample
from pipelines.storage.model_file import UNKNOWN, Feature, Signature
from pipelines.storage.parquet import write_table

FIRST = date(2024, 1, 1)
SHOPS = ("north", "south", "west")


def signature(task=Task.BINARY, classes=()):
    return Signature(
        task=task,
        classes=classes,
        features=(
            Feature(name="size", kind="number"),
            Feature(name="shop", kind="category"),
            Feature(name="fixed", kind="number"),
        ),
        vocabularies={"shop": (UNKNOWN, *SHOPS)},
        label="y",
        seed=1,
        xgboost="3",
        **dict.fromkeys(("features_sha256", "model_sha256", "trial_sha256"), "0" * 64),
    )


def table(folder, label, days=10, rows=200, seed=0):
    """`days` of `rows` rows whose `label(size, shop, draw)` is known; some sizes are null, some shops are new."""
    draw = np.random.default_rng(seed)
    n = days * rows
    size = draw.normal(10, 3, n).astype(np.float32)
    shop = draw.choice([*SHOPS, "new"], n)
    days_since = (FIRST - date(1970, 1, 1)).days + np.repeat(np.arange(days), rows)
    data = pa.table(
        {
            "row_id": days_since.astype(np.int64) * 10**8 + np.tile(np.arange(rows), days),
            "event_date": pa.array(days_since.astype(np.int32)).cast(pa.date32()),
            "label": label(size, shop, draw).astype(np.float64),
            "size": pa.array(size, mask=draw.random(n) < 0.1),
            "shop": shop.tolist(),
            "fixed": np.full(n, 7, np.int16),
        }
    )
    write_table(folder / f"{FIRST:%Y-%m}.parquet", data)
    return Rows(folder, FIRST, FIRST + timedelta(days=days - 1)), data


def encoded(data):
    (batch,) = data.combine_chunks().to_batches()
    return Columns.of(signature()).block(batch)


def chance(size, shop, draw):
    odds = (size - 10) / 3 + np.where(shop == "north", 1.0, -0.5)
    return draw.random(len(size)) < 1 / (1 + np.exp(-odds))


def test_it_is_scikit_learns_own_pipeline(tmp_path):
    rows, data = table(tmp_path, chance)
    found = baseline.fit(rows, signature(), 10_000)
    assert found.converged
    assert found.rows == 2000
    frame = data.to_pandas()
    frame["shop"] = frame["shop"].where(frame["shop"].isin(SHOPS), UNKNOWN)
    numbers = make_pipeline(SimpleImputer(strategy="median"), StandardScaler())
    onehot = OneHotEncoder(categories=[[UNKNOWN, *SHOPS]])
    encode = ColumnTransformer([("n", numbers, ["size", "fixed"]), ("c", onehot, ["shop"])])
    model = make_pipeline(encode, LogisticRegression(C=1.0, tol=1e-8, max_iter=1000)).fit(frame, frame["label"])
    block = encoded(data)
    assert found.predict(block) == pytest.approx(model.predict_proba(frame)[:, 1], abs=2e-3)


def test_the_same_rows_give_the_same_bits_in_any_batches(tmp_path, monkeypatch):
    rows, data = table(tmp_path, chance)
    one = baseline.fit(rows, signature(), 500)
    monkeypatch.setattr("pipelines.engines.rows.BATCH_ROWS", 77)
    monkeypatch.setattr(baseline, "CHUNK_ROWS", 100)
    two = baseline.fit(rows, signature(), 500)
    block = encoded(data)
    assert one.rows == two.rows == 500
    assert one.weights.tobytes() == two.weights.tobytes()
    assert one.predict(block).tobytes() == two.predict(block).tobytes()
    assert one.predict(block[:0]).shape == (0,)


def test_several_classes_give_probabilities_in_their_order(tmp_path):
    rows, data = table(tmp_path, lambda size, _shop, _draw: np.digitize(size, [9, 12]))
    found = baseline.fit(rows, signature(Task.MULTICLASS, ("a", "b", "c")), 2000)
    block = encoded(data)
    score = found.predict(block)
    assert score.shape == (2000, 3)
    assert score.sum(axis=1) == pytest.approx(1, abs=1e-5)
    known = ~np.isnan(data["size"].to_numpy())
    assert (score.argmax(axis=1) == data["label"].to_numpy())[known].mean() > 0.9


@pytest.mark.parametrize(
    ("labels", "likely"), [([1], [1]), ([0, 2], [0, 2]), ([0, 1], [0, 1])], ids=["one", "two-apart", "two"]
)
def test_classes_that_the_sample_lacks_get_next_to_nothing(tmp_path, labels, likely):
    rows, data = table(tmp_path, lambda size, _shop, _draw: np.array(labels)[(size > 10) % len(labels)])
    found = baseline.fit(rows, signature(Task.MULTICLASS, ("a", "b", "c")), 2000)
    block = encoded(data)
    score = found.predict(block)
    assert sorted(set(score.argmax(axis=1))) == likely
    for absent in {0, 1, 2} - set(labels):
        assert score[:, absent].max() < 1e-6


@pytest.mark.parametrize("value", [0, 1])
def test_one_class_alone_gives_its_rate(tmp_path, value):
    rows, data = table(tmp_path, lambda size, _shop, _draw: np.full(len(size), value))
    block = encoded(data)
    assert baseline.fit(rows, signature(), 2000).predict(block) == pytest.approx(value, abs=1e-6)


def test_a_regression_is_ridge(tmp_path):
    rows, data = table(tmp_path, lambda size, shop, _draw: 3 * size + np.where(shop == "west", 5.0, 0.0))
    found = baseline.fit(rows, signature(Task.REGRESSION), 2000)
    block = encoded(data)
    known = ~np.isnan(data["size"].to_numpy())
    assert found.predict(block)[known] == pytest.approx(data["label"].to_numpy()[known], abs=0.5)


def test_a_sample_depends_on_row_ids_alone(tmp_path, monkeypatch):
    rows, data = table(tmp_path, chance)
    one = sample(rows, ["row_id", "shop"], 300)
    monkeypatch.setattr("pipelines.engines.rows.BATCH_ROWS", 13)
    assert sample(rows, ["row_id", "shop"], 300).column("row_id").to_pylist() == one.column("row_id").to_pylist()
    assert one.num_rows == 300
    ids = one.column("row_id").to_numpy()
    assert (np.diff(ids) > 0).all()
    assert len(set(ids // 10**8)) == 10
    assert sample(rows, ["row_id"], 10_000).num_rows == data.num_rows

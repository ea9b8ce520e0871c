from datetime import date

import numpy as np
import pyarrow as pa
import pytest

from pipelines.config.model import Task
from pipelines.engines.columns import Columns
from pipelines.engines.rows import Rows
from pipelines.errors import ConfigError
from pipelines.evaluation import slices
from pipelines.evaluation.importance import importance
from pipelines.evaluation.metrics import compute
from pipelines.evaluation.scoring import MISSING, Model, score
from pipelines.storage.model_file import Feature
from pipelines.storage.parquet import write_table

SHOP = ["a"] * 40 + ["b"] * 30 + [None] * 20 + ["rare"] * 10
ANY = Model(Columns((Feature(name="size", kind="number"),), {}), lambda block: block[:, 0])


@pytest.fixture
def scored(tmp_path, monkeypatch):
    monkeypatch.setattr("pipelines.engines.rows.BATCH_ROWS", 17)
    draw = np.random.default_rng(0)
    size = draw.random(100)
    label = pa.array((draw.random(100) < size).astype(float), mask=np.arange(100) == 99)
    days = pa.array(np.repeat([19723, 19724], 50).astype(np.int32)).cast(pa.date32())
    data = {"row_id": np.arange(100), "event_date": days, "label": label, "size": size, "shop": SHOP}
    data["hour"] = pa.array(np.arange(100) % 3, pa.int16())
    write_table(tmp_path / "2024-01.parquet", pa.table(data))
    rows = Rows(tmp_path, date(2024, 1, 1), date(2024, 1, 2))
    return score(rows, {"challenger": ANY, "champion": ANY}, ["shop", "hour"])


def test_scores_come_in_order_with_days_and_without_unlabelled_rows(scored):
    assert scored.row_id.tolist() == list(range(99))
    assert scored.day[[0, 49, 50]].tolist() == [19723, 19723, 19724]
    assert scored.scores["challenger"].dtype == np.float32
    later = scored.where(scored.day > 19723)
    assert len(later) == 49
    assert later.slices["shop"].codes.shape == later.scores["champion"].shape == (49,)


def test_slices_hold_the_metrics_of_their_rows(scored):
    hours, shops = slices.by_slice(Task.BINARY, scored, ["challenger", "champion"], 20)
    assert [item["value"] for item in hours["values"]] == ["0", "1", "2"]
    assert [(item["value"], item["rows"]) for item in shops["values"]] == [("a", 40), ("b", 30), (MISSING, 20)]
    assert shops["left_out"] == {"values": 1, "rows": 9}
    part = slice(40, 70)
    expected = compute(Task.BINARY, scored.label[part], scored.scores["challenger"][part])
    assert shops["values"][1]["challenger"] == shops["values"][1]["champion"] == expected


def test_a_slice_must_be_a_column():
    slices.check(["shop"], ["shop", "size"])
    with pytest.raises(ConfigError, match=r"evaluation\.slices: 'colour' is no column.*shop, size"):
        slices.check(["shop", "colour"], ["shop", "size"])


def test_importance_is_the_mean_absolute_contribution_in_order():
    values = np.array([[1.0, -2.0, 0.0, 9.0], [-1.0, 4.0, 0.0, 9.0]], dtype=np.float32)
    found = importance(["x", "y", "z"], lambda _: values, pa.table({"x": [1, 2]}))
    assert [(item["feature"], item["importance"]) for item in found["features"]] == [("y", 3.0), ("x", 1.0), ("z", 0.0)]
    assert [item["share"] for item in found["features"]] == [0.75, 0.25, 0]
    classes = np.stack([values, 3 * values], axis=1)
    found = importance(["x", "y", "z"], lambda _: classes, pa.table({"x": [1, 2]}))
    assert found["features"][0] == {"feature": "y", "importance": 6.0, "share": 0.75}

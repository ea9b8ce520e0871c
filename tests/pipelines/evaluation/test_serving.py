"""A model in a fresh process: what it says there, and what becomes of one that cannot be served."""

from pathlib import Path

import pytest
from feature_tables import make, params

from pipelines.engines import example
from pipelines.engines.matrix import predict
from pipelines.evaluation import serving
from pipelines.evaluation.sampling import sample
from pipelines.published import build
from pipelines.stages import train
from pipelines.stages.context import StageContext
from pipelines.storage.model_file import Signature, verify_and_load


@pytest.fixture(scope="module")
def table(tmp_path_factory):
    return make(tmp_path_factory.mktemp("served"))


@pytest.fixture(scope="module")
def trained(table) -> Path:
    train.main(StageContext(table.root, params(table, rounds=3), lambda _: None))
    return table.root / "out" / "train"


def ask(trained, table, *, model=None, said=None, thresholds=None):
    signature = said or Signature.read(trained / "signature.json")
    rows = sample(table.rows(table.days - 5), signature.names, 200)
    booster = verify_and_load(trained / "release.json", signature.model_sha256)
    path = model or trained / "release.json"
    return serving.measure(
        path, signature, thresholds or {}, rows, lambda asked: predict(booster, signature, asked.to_batches())
    )


def test_a_fresh_process_says_what_this_one_and_training_say(trained, table, monkeypatch):
    monkeypatch.setenv("EVERGREEN_HOME", "/nowhere")
    found = ask(trained, table, thresholds={"profit": 0.5})
    assert found.failed == ""
    assert (found.differing, found.example_differing) == (0, 0)
    assert (found.rows, found.example_rows) == (10_000, example.ROWS)
    assert found.megabytes > (trained / "release.json").stat().st_size / 1e6
    assert set(found.clock) == {"load_seconds", "row_ms", "batch_ms", "rows_per_second"}
    for kind in ("row_ms", "batch_ms"):
        assert 0 < found.clock[kind]["p50"] <= found.clock[kind]["p99"]
    assert "clock" not in found.as_json()


def test_other_bytes_are_not_even_read(trained, table, tmp_path):
    spoilt = tmp_path / "release.json"
    spoilt.write_bytes(b"\x80\x04pickle")
    found = ask(trained, table, model=spoilt)
    assert "exit code 1" in found.failed
    assert "has sha256" in found.failed


def test_training_writes_an_example_and_a_changed_model_does_not_repeat_it(trained):
    said = Signature.read(trained / "signature.json")
    release = verify_and_load(trained / "release.json", said.model_sha256, said)
    trial = verify_and_load(trained / "trial.json", said.trial_sha256, said)
    assert example.repeat(release, said) == 0
    assert example.repeat(trial, said) > 0
    assert example.repeat(release, said.model_copy(update={"example": None})) is None


@pytest.mark.parametrize(
    ("good", "bad"),
    [
        ("np.isnan(narrow), np.float32(self.scoring", "np.isnan(narrow), np.float32(0) * np.float32(self.scoring"),
        ("codes.get(value, 0)", "codes.get(value, 1)"),
        ("values.astype(np.float32)", "values.astype(np.float16).astype(np.float32)"),
        ("import xgboost", "import pipelines, xgboost"),
    ],
    ids=["nulls", "unseen categories", "extremes", "needs Evergreen"],
)
def test_what_is_published_is_what_is_asked(trained, table, tmp_path, monkeypatch, good, bad):
    text = build.SOURCE.read_text()
    assert good in text
    (tmp_path / "model.py").write_text(text.replace(good, bad))
    monkeypatch.setattr(build, "SOURCE", tmp_path / "model.py")
    found = ask(trained, table)
    assert found.failed or found.differing > 0
    assert ("pipelines" in found.failed) is ("pipelines" in bad)

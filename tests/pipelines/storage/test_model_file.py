"""Signatures, and models that are verified before anything parses them."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
import xgboost
from feature_tables import COLUMNS, FEATURES, signature

from pipelines.errors import IntegrityError
from pipelines.storage import model_file
from pipelines.storage.files import sha256_file
from pipelines.storage.model_file import Signature, check_columns, verify_and_load


def booster(seed: int = 1) -> xgboost.Booster:
    rng = np.random.default_rng(3)
    block = rng.random((200, 4), dtype=np.float32)
    block[:, 1] = rng.integers(0, 4, 200)
    data = xgboost.QuantileDMatrix(
        block,
        label=(block[:, 0] > 0.5).astype(np.float32),
        feature_names=COLUMNS.names,
        feature_types=COLUMNS.types,
        enable_categorical=True,
    )
    return xgboost.train({"objective": "binary:logistic", "seed": seed, "nthread": 1, "subsample": 0.7}, data, 5)


def test_the_same_booster_is_saved_as_the_same_bytes_and_read_back(tmp_path: Path) -> None:
    model = booster()
    first, second = (model_file.save(tmp_path / name, model) for name in ("a.json", "b.json"))
    assert first == second == sha256_file(tmp_path / "a.json")
    again = verify_and_load(tmp_path / "a.json", first, signature())
    assert again.save_raw("json") == model.save_raw("json")


def test_a_signature_is_read_back_as_it_was_written(tmp_path: Path) -> None:
    said = signature(task="multiclass", classes=("low", "high"))
    said.write(tmp_path / "signature.json")
    assert Signature.read(tmp_path / "signature.json") == said
    assert said.types == ("float", "c", "float", "float")


@pytest.mark.parametrize(
    "changes",
    [
        {"features": (*FEATURES, FEATURES[0])},
        {"vocabularies": {}},
        {"vocabularies": {"place": ("east",)}},
        {"vocabularies": {"place": ("(unknown)", "east", "east")}},
        {"model_sha256": "short"},
        {"features": ()},
        {"surplus": 1},
    ],
)
def test_an_inconsistent_signature_is_refused(changes: dict[str, object]) -> None:
    with pytest.raises(ValueError, match="validation error"):
        signature(**changes)


@pytest.mark.parametrize("text", ["", "[]", "{}", '{"format": 2}', "\x80\x04"])
def test_what_is_no_signature_is_refused(tmp_path: Path, text: str) -> None:
    (tmp_path / "signature.json").write_text(text, encoding="latin-1")
    with pytest.raises(IntegrityError, match="is no signature"):
        Signature.read(tmp_path / "signature.json")


def test_a_missing_signature_is_refused(tmp_path: Path) -> None:
    with pytest.raises(IntegrityError, match="is missing"):
        Signature.read(tmp_path / "signature.json")


@pytest.mark.parametrize(
    ("found", "said"),
    [
        (["a", "c"], "missing b, unexpected c"),
        (["a"], "missing b"),
        (["a", "b", "x"], "unexpected x"),
        (["b", "a"], "column 1 is b instead of a"),
    ],
)
def test_a_column_difference_is_spelled_out(found: list[str], said: str) -> None:
    with pytest.raises(IntegrityError, match=said):
        check_columns(found, ["a", "b"], where="model.json")


def test_many_differences_stay_one_short_line() -> None:
    with pytest.raises(IntegrityError, match="and 96 more") as caught:
        check_columns([], [f"a_rather_long_name_of_a_column_{number}" for number in range(100)], where="model.json")
    assert len(str(caught.value)) <= 300

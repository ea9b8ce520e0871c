"""Bad models (cases 57 to 60): refused with a named reason before anything of them runs."""

from __future__ import annotations

import os
import pickle
from pathlib import Path

import pytest
from feature_tables import FEATURES, make, params, signature

from pipelines.errors import ExitCode, IntegrityError
from pipelines.stages import train
from pipelines.stages.context import StageContext
from pipelines.storage import model_file
from pipelines.storage.files import sha256_bytes, sha256_file
from pipelines.storage.model_file import Feature, Signature, verify_and_load


@pytest.fixture(scope="module")
def trained(tmp_path_factory: pytest.TempPathFactory) -> Path:
    root = tmp_path_factory.mktemp("trained")
    table = make(root)
    train.main(StageContext(root, params(table, rounds=3), lambda _: None))
    return root / "out" / "train"


@pytest.fixture
def release(trained: Path, tmp_path: Path) -> Path:
    path = tmp_path / "model.json"
    path.write_bytes((trained / "release.json").read_bytes())
    return path


class Bomb:
    """Leaves a mark when it is unpickled."""

    def __reduce__(self) -> tuple[object, tuple[str]]:
        return os.mkdir, ("unpickled",)


def test_57_a_flipped_bit_is_found_before_parsing(release: Path) -> None:
    recorded = sha256_file(release)
    damaged = bytearray(release.read_bytes())
    damaged[len(damaged) // 2] ^= 1
    release.write_bytes(damaged)
    with pytest.raises(IntegrityError, match="the ledger says") as caught:
        verify_and_load(release, recorded)
    assert caught.value.exit_code is ExitCode.INPUT


@pytest.mark.parametrize(
    "raw",
    [b"", b"{}", b"[" * 100_000, b'{"learner":' + b"[" * 100_000, b'{"learner": {}}', b"NUL\0"],
    ids=["empty", "no learner", "deep", "deeper", "empty learner", "text"],
)
def test_57_what_is_no_model_is_refused_even_when_its_sha256_was_recorded(tmp_path: Path, raw: bytes) -> None:
    (tmp_path / "model.json").write_bytes(raw)
    with pytest.raises(IntegrityError):
        verify_and_load(tmp_path / "model.json", sha256_bytes(raw))


@pytest.mark.parametrize(
    ("old", "new"),
    [(b'"split_conditions"', b'"split_canditions"'), (b'"num_feature":"4"', b'"num_feature":"x"'), (b"}]", b"]}")],
)
def test_57_a_corrupt_model_is_refused_even_when_its_sha256_was_recorded(release: Path, old: bytes, new: bytes) -> None:
    raw = release.read_bytes().replace(old, new)
    assert raw != release.read_bytes()
    release.write_bytes(raw)
    with pytest.raises(IntegrityError):
        verify_and_load(release, sha256_bytes(raw))


def test_57_binary_json_is_refused(trained: Path, tmp_path: Path) -> None:
    said = Signature.read(trained / "signature.json")
    raw = bytes(verify_and_load(trained / "release.json", said.model_sha256).save_raw("ubj"))
    (tmp_path / "model.json").write_bytes(raw)
    with pytest.raises(IntegrityError, match="no XGBoost JSON"):
        verify_and_load(tmp_path / "model.json", sha256_bytes(raw))


@pytest.mark.parametrize("protocol", range(pickle.HIGHEST_PROTOCOL + 1))
def test_58_a_pickle_is_refused_and_never_unpickled(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, protocol: int
) -> None:
    monkeypatch.chdir(tmp_path)
    raw = pickle.dumps(Bomb(), protocol)
    (tmp_path / "model.json").write_bytes(raw)
    with pytest.raises(IntegrityError, match=r"pickle|no XGBoost JSON"):
        verify_and_load(tmp_path / "model.json", sha256_bytes(raw))
    assert not (tmp_path / "unpickled").exists()


def test_59_the_right_file_with_another_sha256_is_refused(release: Path) -> None:
    with pytest.raises(IntegrityError, match=r"its sha256 is .*the ledger says"):
        verify_and_load(release, "0" * 64)


@pytest.mark.parametrize(
    ("features", "said"),
    [
        (FEATURES[:3], "unexpected count"),
        ((*FEATURES, Feature(name="weight", kind="number")), "missing weight"),
        ((FEATURES[2], FEATURES[1], FEATURES[0], FEATURES[3]), "column 1 is speed instead of noise"),
        (
            (*FEATURES[:2], Feature(name="noise", kind="category"), FEATURES[3]),
            r"missing noise \(c\), unexpected noise \(float\)",
        ),
    ],
)
def test_60_a_model_of_other_columns_is_refused_with_the_difference(
    release: Path, features: tuple[Feature, ...], said: str
) -> None:
    vocabularies = {item.name: (model_file.UNKNOWN, "east") for item in features if item.kind == "category"}
    with pytest.raises(IntegrityError, match=said):
        verify_and_load(release, sha256_file(release), signature(features=features, vocabularies=vocabularies))


def test_a_missing_model_is_refused(tmp_path: Path) -> None:
    with pytest.raises(IntegrityError, match="is missing"):
        verify_and_load(tmp_path / "model.json", "0" * 64)

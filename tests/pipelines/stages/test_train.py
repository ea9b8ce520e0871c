"""The train stage on small tables: what it writes, that it is the same twice, and what it refuses."""

from __future__ import annotations

import json
from datetime import timedelta
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa
import pytest
from feature_tables import START, FeatureTable, make, params

from pipelines.config.params import RunParams
from pipelines.engines.matrix import predict
from pipelines.errors import ConfigError, IntegrityError
from pipelines.stages import train
from pipelines.stages.context import StageContext
from pipelines.storage.files import sha256_file
from pipelines.storage.model_file import Signature, verify_and_load

OUTS = ("trial.json", "release.json", "signature.json", "training.json")


def run(table: FeatureTable, settings: RunParams, said: list[str] | None = None) -> dict[str, Any]:
    lines = said if said is not None else []
    return train.main(StageContext(table.root, settings, lines.append)).summary


def shas(root: Path) -> dict[str, str]:
    return {name: sha256_file(root / "out" / "train" / name) for name in OUTS}


def training(root: Path) -> dict[str, Any]:
    document: dict[str, Any] = json.loads((root / "out" / "train" / "training.json").read_text())
    return document


@pytest.mark.parametrize("threads", [1, 2])
def test_the_same_rows_and_parameters_give_the_same_bytes(tmp_path: Path, threads: int) -> None:
    table = make(tmp_path, rows=200)
    settings = params(table, threads=threads)
    said: list[str] = []
    run(table, settings, said)
    first = shas(tmp_path)
    run(table, settings)
    assert shas(tmp_path) == first
    assert {"trial", "release"} <= {line.split(":")[0] for line in said}


def test_another_seed_gives_another_model(tmp_path: Path) -> None:
    table = make(tmp_path)
    run(table, params(table))
    first = shas(tmp_path)
    run(table, params(table, seed=1))
    assert shas(tmp_path)["release.json"] != first["release.json"]


def test_the_trial_stops_early_and_the_release_takes_its_rounds(tmp_path: Path) -> None:
    table = make(tmp_path)
    summary = run(table, params(table, rounds=400, booster={"learning_rate": 0.3}))
    written = training(tmp_path)
    assert 1 < summary["rounds"] < 400
    assert len(written["curve"]["validation"]) == written["rounds"] + 5
    document = json.loads((tmp_path / "out" / "train" / "release.json").read_text())
    assert len(document["learner"]["gradient_booster"]["model"]["trees"]) == written["rounds"]


def test_the_trial_never_sees_the_test_days_and_the_release_does(tmp_path: Path) -> None:
    table = make(tmp_path)
    run(table, params(table))
    first = shas(tmp_path)
    test_start = START + timedelta(days=35)

    def flip(whole: pa.Table) -> pa.Table:
        late = np.array([day >= test_start for day in whole.column("event_date").to_pylist()])
        label = whole.column("label").to_numpy().copy()
        label[late] = 1 - label[late]
        place = whole.column_names.index("label")
        return whole.set_column(place, "label", pa.array(label, from_pandas=True))

    make(tmp_path, change=flip)
    run(table, params(table))
    assert shas(tmp_path)["trial.json"] == first["trial.json"]
    assert shas(tmp_path)["release.json"] != first["release.json"]
    assert training(tmp_path)["release"]["days"] == ["2024-01-20", "2024-02-28"]
    assert training(tmp_path)["trial"]["days"] == ["2024-01-20", "2024-02-23"]


def test_the_signature_names_the_models_and_reads_them(tmp_path: Path) -> None:
    table = make(tmp_path)
    run(table, params(table))
    out = tmp_path / "out" / "train"
    said = Signature.read(out / "signature.json")
    assert said.names == ("speed", "place", "noise", "count")
    assert said.vocabularies["place"] == ("(unknown)", "east", "north", "rare", "west")
    trial = verify_and_load(out / "trial.json", said.trial_sha256, said)
    release = verify_and_load(out / "release.json", said.model_sha256, said)
    rows = table.rows(35, 39)
    scores = [predict(model, said, rows.batches(said.names)) for model in (trial, release)]
    assert 0 < float(np.abs(scores[0] - scores[1]).mean()) < 0.1
    labels = np.concatenate([batch.column("label").to_numpy() for batch in rows.batches(["label"])])
    assert float(scores[0][labels == 1].mean()) > float(scores[0][labels == 0].mean()) + 0.2


def test_the_signature_says_what_may_be_missing(tmp_path: Path) -> None:
    table = make(tmp_path)
    train.main(StageContext(table.root, params(table, rounds=2), lambda _: None))
    said = Signature.read(table.root / "out" / "train" / "signature.json")
    assert {item.name: item.missing for item in said.features} == {
        "speed": True, "place": True, "noise": False, "count": False
    }  # fmt: skip


@pytest.mark.parametrize(("task", "shape"), [("multiclass", (3,)), ("regression", ())])
def test_other_tasks_train_and_score(tmp_path: Path, task: str, shape: tuple[int, ...]) -> None:
    table = make(tmp_path, task=task)
    run(table, params(table, task=task))
    out = tmp_path / "out" / "train"
    said = Signature.read(out / "signature.json")
    model = verify_and_load(out / "release.json", said.model_sha256, said)
    scores = predict(model, said, table.rows(35, 39).batches(said.names))
    assert scores.shape[1:] == shape
    assert training(tmp_path)["curve"]["metric"] == {"multiclass": "mlogloss", "regression": "rmse"}[task]


def test_permuted_columns_in_the_files_change_nothing(tmp_path: Path) -> None:
    table = make(tmp_path)
    run(table, params(table))
    first = shas(tmp_path)
    make(tmp_path, change=lambda whole: whole.select(whole.column_names[::-1]))
    run(table, params(table))
    assert shas(tmp_path) == first


def test_a_missing_column_is_refused_by_name(tmp_path: Path) -> None:
    def rename(whole: pa.Table) -> pa.Table:
        return whole.rename_columns({"speed": "velocity"})

    table = make(tmp_path, change=rename)
    with pytest.raises(IntegrityError, match=r"lacks column speed.*besides: velocity"):
        run(table, params(table))


def test_what_stood_in_the_outs_is_gone(tmp_path: Path) -> None:
    table = make(tmp_path)
    stale = tmp_path / "out" / "train" / "stale.json"
    stale.parent.mkdir(parents=True)
    stale.write_text("{}")
    run(table, params(table))
    assert sorted(path.name for path in stale.parent.iterdir()) == sorted(OUTS)


def test_a_search_is_logged_used_and_the_same_twice(tmp_path: Path) -> None:
    table = make(tmp_path)
    settings = params(table, hpo={"trials": 3, "folds": 2})
    run(table, settings)
    first, written = shas(tmp_path), training(tmp_path)
    assert [trial["number"] for trial in written["search"]["trials"]] == [0, 1, 2]
    best = written["search"]["trials"][written["search"]["best"]]
    assert best["state"] == "complete"
    assert {name: written["training"]["booster"][name] for name in best["params"]} == best["params"]
    run(table, settings)
    assert shas(tmp_path) == first


def test_a_monotone_constraint_on_no_number_is_refused(tmp_path: Path) -> None:
    table = make(tmp_path)
    with pytest.raises(ConfigError, match="place"):
        run(table, params(table, monotone={"place": 1}))


@pytest.mark.parametrize("text", ["[]", "{}", '{"features": [{"name": "a", "kind": "text"}], "sha256": "f"}', "no"])
def test_a_spoilt_schema_is_refused(tmp_path: Path, text: str) -> None:
    (tmp_path / "schema.json").write_text(text)
    with pytest.raises(IntegrityError, match=r"schema\.json"):
        train.read_schema(tmp_path / "schema.json")

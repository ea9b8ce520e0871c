"""MLflow as a projection, against a real server."""

from __future__ import annotations

import os
import socket
import subprocess
import sys
import time
import urllib.request
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path

import pytest
import xgboost

from pipelines.config.settings import Settings
from pipelines.doctor import mlflow as doctor
from pipelines.doctor.base import Mark
from pipelines.errors import PassingFault
from pipelines.registry import Column, Entry, Registry
from pipelines.storage import model_file


@pytest.fixture(scope="module")
def server(tmp_path_factory: pytest.TempPathFactory) -> Iterator[tuple[str, Path, subprocess.Popen[bytes]]]:
    home = tmp_path_factory.mktemp("mlflow")
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        port = free.getsockname()[1]
    command = [Path(sys.executable).with_name("mlflow"), "server", "--host", "127.0.0.1", "--port", str(port)]
    command += ["--workers", "1", "--no-serve-artifacts", "--default-artifact-root", str(home / "artifacts")]
    command += ["--backend-store-uri", f"sqlite:///{home}/mlflow.db"]
    with (home / "log").open("wb") as log:
        child = subprocess.Popen(command, stdout=log, stderr=log, env=os.environ | {"MLFLOW_DISABLE_TELEMETRY": "true"})
    uri = f"http://127.0.0.1:{port}"
    deadline = time.monotonic() + 120
    while not answers(uri):
        assert child.poll() is None, (home / "log").read_text()
        assert time.monotonic() < deadline
        time.sleep(0.2)
    yield uri, home / "artifacts", child
    child.terminate()
    child.wait(30)


@pytest.fixture(scope="module")
def entry(tmp_path_factory: pytest.TempPathFactory) -> Entry:
    folder = tmp_path_factory.mktemp("model")
    data = xgboost.DMatrix([[0.0, 1.0], [1.0, 0.0]] * 20, label=[0, 1] * 20, feature_names=["a", "b"])
    sha = model_file.save(folder / "release.json", xgboost.train({"objective": "binary:logistic"}, data, 2))
    return Entry(
        model="tiny",
        tag="runs/2024-01-31-20260101T000000Z-abcdef",
        params={"training.rounds": 2, "tables": ["a", "b"]},
        metrics={"challenger.auc": 0.75},
        tags={"model.sha256": sha, "git.sha": "0" * 40},
        dataset={"digest": "d" * 32, "path": "out/features"},
        model_file=folder / "release.json",
        columns=(Column("a", "number"), Column("b", "category")),
        artifacts={"evaluation": (folder / "release.json",)},
    )


def test_a_run_and_its_version_are_there_once_however_often_asked(
    server: tuple[str, Path, subprocess.Popen[bytes]], entry: Entry
) -> None:
    registry = Registry(server[0], server[1])
    assert registry.aliases("tiny") == {}
    assert registry.version_of("tiny", entry.tag) is None
    assert [registry.register(entry) for _ in range(3)] == [1, 1, 1]
    assert registry.tag_of("tiny", 1) == entry.tag
    assert registry.tag_of("tiny", 2) is None
    registry.set_alias("tiny", "champion", 1)
    assert registry.aliases("tiny") == {"champion": 1}
    other = replace(entry, tag="runs/2024-02-01-20260101T000000Z-abcdef")
    registry.log(other)
    assert registry.version_of("tiny", other.tag) is None, "a refused run has no version"


def test_what_mlflow_shows(server: tuple[str, Path, subprocess.Popen[bytes]], entry: Entry) -> None:
    import mlflow

    run_id = Registry(server[0], server[1]).log(entry)
    run = mlflow.MlflowClient(server[0]).get_run(run_id)
    assert run.data.metrics["challenger.auc"] == 0.75
    assert run.data.params["training.rounds"] == "2"
    assert run.data.tags["ledger.tag"] == entry.tag
    assert run.inputs.dataset_inputs[0].dataset.digest == "d" * 32
    assert run.info.status == "FINISHED"


def test_the_doctor_finds_it_well(server: tuple[str, Path, subprocess.Popen[bytes]], settings: Settings) -> None:
    found = doctor.registry(replace(settings, mlflow_uri=server[0]))
    assert found.mark is Mark.OK, found
    assert "registry readable" in found.found
    assert (
        "registered models"
        in doctor.registry(replace(settings, mlflow_uri=f"sqlite:///{server[1].parent}/mlflow.db")).found
    )


def test_a_server_that_is_away_is_a_passing_fault(tmp_path: Path, entry: Entry) -> None:
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        uri = f"http://user:secret@127.0.0.1:{free.getsockname()[1]}"
    with pytest.raises(PassingFault, match="MLflow does not answer") as caught:
        Registry(uri, tmp_path).log(entry)
    assert "secret" not in str(caught.value)


def answers(uri: str) -> bool:
    try:
        with urllib.request.urlopen(f"{uri}/health", timeout=2) as answer:
            return bool(answer.status == 200)
    except OSError:
        return False

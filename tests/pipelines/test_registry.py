"""MLflow as a projection, against a real server."""

from __future__ import annotations

import base64
import os
import socket
import subprocess
import sys
import threading
import time
import urllib.request
from collections.abc import Iterator
from dataclasses import replace
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path

import feature_tables
import numpy as np
import pytest
import xgboost
from mlflow.exceptions import MlflowException

from pipelines.config.settings import Settings
from pipelines.doctor import mlflow as doctor
from pipelines.doctor.base import Mark
from pipelines.errors import ConfigError, IntegrityError, PassingFault
from pipelines.published.build import build
from pipelines.registry import PUBLISHED, Entry, Publication, Registry
from pipelines.release.seen import versions
from pipelines.storage import model_file
from pipelines.storage.model_file import Example, Feature


@pytest.fixture(scope="module")
def server(tmp_path_factory: pytest.TempPathFactory) -> Iterator[tuple[str, Path, subprocess.Popen[bytes]]]:
    home = tmp_path_factory.mktemp("mlflow")
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        port = free.getsockname()[1]
    command = [Path(sys.executable).with_name("mlflow"), "server", "--host", "127.0.0.1", "--port", str(port)]
    command += ["--workers", "1", "--no-serve-artifacts", "--default-artifact-root", str(home / "artifacts")]
    command += ["--backend-store-uri", f"sqlite:///{home}/mlflow.db"]
    quiet = {"MLFLOW_DISABLE_TELEMETRY": "true", "MLFLOW_SERVER_ENABLE_JOB_EXECUTION": "false"}
    with (home / "log").open("wb") as log:
        child = subprocess.Popen(command, stdout=log, stderr=log, env=os.environ | quiet)
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
    names, types = ["a", "b"], ["float", "c"]
    data = xgboost.DMatrix(
        np.array([[0.0, 1.0], [1.0, 0.0]] * 20),
        label=[0, 1] * 20,
        feature_names=names,
        feature_types=types,
        enable_categorical=True,
    )
    sha = model_file.save(folder / "release.json", xgboost.train({"objective": "binary:logistic"}, data, 2))
    features = (Feature(name="a", kind="number"), Feature(name="b", kind="category"))
    said = feature_tables.signature(features=features, vocabularies={"b": ("(unknown)", "x")}, model_sha256=sha)
    return Entry(
        model="tiny",
        tag="runs/2024-01-31-20260101T000000Z-abcdef",
        params={"training.rounds": 2, "tables": ["a", "b"]},
        metrics={"challenger.auc": 0.75},
        tags={"model.sha256": sha, "git.sha": "0" * 40},
        dataset={"digest": "d" * 32, "path": "out/features"},
        publication=Publication(folder / "release.json", said),
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
    (model,) = mlflow.MlflowClient(server[0]).search_logged_models([run.info.experiment_id], max_results=1)
    assert [(metric.key, metric.value) for metric in model.metrics] == [("challenger.auc", 0.75)]
    assert run.data.params["training.rounds"] == "2"
    assert run.data.tags["ledger.tag"] == entry.tag
    assert run.inputs.dataset_inputs[0].dataset.digest == "d" * 32
    assert run.info.status == "FINISHED"


def test_a_model_that_scores_otherwise_outside_gets_no_version(
    server: tuple[str, Path, subprocess.Popen[bytes]], entry: Entry
) -> None:
    registry = Registry(server[0], server[1])
    lying = entry.publication.signature.model_copy(update={"example": Example(rows=((1.0, "x"),), scores=(0.123,))})
    other = replace(entry, tag="runs/lying", publication=replace(entry.publication, signature=lying))
    with pytest.raises(IntegrityError, match="outside of Evergreen 1 rows score otherwise"):
        registry.register(other)
    asked = build(server[1].parent, other.publication.file, lying, {}).sha256
    with pytest.raises(IntegrityError, match="1 rows of its example score otherwise in MLflow"):
        registry.register(replace(other, publication=replace(other.publication, asked=asked)))
    assert registry.version_of("tiny", other.tag) is None
    registry.log(other, prove=False)  # as of a run that the gates refused


def test_bytes_of_another_model_are_not_published(
    server: tuple[str, Path, subprocess.Popen[bytes]], entry: Entry, tmp_path: Path
) -> None:
    (tmp_path / "release.json").write_bytes(b"\x80\x04pickle")
    spoilt = replace(entry.publication, file=tmp_path / "release.json")
    with pytest.raises(IntegrityError, match="its sha256 is"):
        Registry(server[0], server[1]).log(replace(entry, tag="runs/spoilt", publication=spoilt), prove=False)


def test_what_a_stopped_registration_has_logged_is_published_anew(
    server: tuple[str, Path, subprocess.Popen[bytes]], entry: Entry, monkeypatch: pytest.MonkeyPatch
) -> None:
    registry = Registry(server[0], server[1])
    other = replace(entry, tag="runs/stopped")
    with monkeypatch.context() as patch:
        patch.setattr(Registry, "_check", lambda *_: 1 / 0)
        with pytest.raises(ZeroDivisionError):
            registry.register(other)
    with registry.client() as client:
        run = registry._find_run(client, registry._experiment(client, "tiny"), other.tag)
        logged = registry._logged_model(client, run.info.run_id)
        assert PUBLISHED not in logged.tags
    version = registry.register(other)
    found = versions(registry, "tiny")[version]
    assert (found.model_id, found.old) == (logged.model_id, False)
    assert registry.differing(str(found.logged), other.publication) == []


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


@pytest.fixture
def guarded() -> Iterator[tuple[str, list[tuple[int, str]]]]:
    """A server that answers each request with the next status of the list, and keeps who asked."""
    told: list[tuple[int, str]] = []

    class Guard(BaseHTTPRequestHandler):
        def do_GET(self) -> None:
            status = told[0][0]
            told.append((status, self.headers.get("Authorization", "")))
            self.send_response(status)
            self.end_headers()
            self.wfile.write(b"{}" if status == 200 else b"no")

        def log_message(self, *args: object) -> None:  # noqa: ARG002 - silent
            return

    with ThreadingHTTPServer(("127.0.0.1", 0), Guard) as server:
        threading.Thread(target=server.serve_forever, args=(0.05,), daemon=True).start()
        yield f"http://127.0.0.1:{server.server_address[1]}", told
        server.shutdown()


def test_the_login_comes_from_the_secret_and_stays_out_of_the_environment(
    guarded: tuple[str, list[tuple[int, str]]], settings: Settings, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (tmp_path / "mlflow").write_text("username=tasks\npassword=canary\n")
    monkeypatch.setenv("MLFLOW_TRACKING_USERNAME", "somebody")
    uri, told = guarded
    told.append((200, ""))
    assert Registry.of(replace(settings, mlflow_uri=uri, secrets=tmp_path)).aliases("tiny") == {}
    assert told[-1][1] == "Basic " + base64.b64encode(b"tasks:canary").decode()
    assert os.environ["MLFLOW_TRACKING_USERNAME"] == "somebody"
    assert "MLFLOW_TRACKING_PASSWORD" not in os.environ


@pytest.mark.parametrize(
    ("status", "kind", "said"),
    [
        (401, ConfigError, "refuses our login"),
        (403, ConfigError, "does not let"),
        (500, PassingFault, "does not answer"),
        (404, MlflowException, "404"),
    ],
)
def test_what_a_servers_refusal_means(
    guarded: tuple[str, list[tuple[int, str]]], tmp_path: Path, status: int, kind: type[Exception], said: str
) -> None:
    uri, told = guarded
    told.append((status, ""))
    with pytest.raises(kind, match=said):
        Registry(uri, tmp_path, ("tasks", "canary")).aliases("tiny")


def answers(uri: str) -> bool:
    try:
        with urllib.request.urlopen(f"{uri}/health", timeout=2) as answer:
            return bool(answer.status == 200)
    except OSError:
        return False

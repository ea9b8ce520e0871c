"""MLflow: its database, and a server's answers that a real one gives only when it is ill. See test_registry.py too."""

from __future__ import annotations

import json
import sqlite3
from contextlib import closing
from dataclasses import replace
from importlib.metadata import version
from pathlib import Path

import pytest

from pipelines.config.settings import Settings
from pipelines.doctor import mlflow
from pipelines.doctor.base import Mark
from pipelines.doctor.run import run

OURS = version("mlflow")


def told(settings: Settings):
    return run(mlflow.checks(settings), [].append).results[0]


def ill(wrong: str, status: int, body: bytes = b"{}", *, release: str = OURS, proxied: bool = True):
    """A server that answers as MLflow does, but on addresses that hold `wrong`."""

    def respond(request, _):
        if wrong and wrong in request.path:
            return status, {}, body
        if request.path == "/version":
            return 200, {}, release.encode()
        location = "mlflow-artifacts:/0" if proxied else "/artifacts/0"
        return 200, {}, json.dumps({"experiment": {"artifact_location": location}}).replace(": ", ":").encode()

    return respond


@pytest.mark.parametrize(
    ("wrong", "status", "body", "mark", "passing", "words"),
    [
        ("", 0, b"", Mark.OK, False, "registry readable"),
        ("version", 401, b"", Mark.FAIL, False, "asks for a login"),
        ("version", 403, b"Invalid Host header - possible DNS rebinding", Mark.FAIL, False, "this host name"),
        ("registered-models", 403, b"Permission denied", Mark.FAIL, False, "this user"),
        ("registered-models", 500, b"database", Mark.FAIL, True, "answers 500"),
        ("registered-models", 200, b"<html>", Mark.FAIL, False, "is not MLflow"),
        ("version", 302, b"", Mark.FAIL, False, "answers 302"),
        ("mlflow-artifacts/artifacts", 500, b"keys", Mark.FAIL, True, "mlflow-artifacts"),
    ],
)
def test_answers(settings: Settings, serve, wrong, status, body, mark, passing, words) -> None:
    found = told(replace(settings, mlflow_uri=serve(ill(wrong, status, body))))
    assert (found.mark, found.passing) == (mark, passing), found
    assert words in found.found


def test_another_version_and_artifacts_that_clients_write(settings: Settings, serve) -> None:
    found = told(replace(settings, mlflow_uri=serve(ill("", 0, release="2.0.0"))))
    assert (found.mark, "is MLflow 2.0.0" in found.found) == (Mark.WARN, True)
    assert "clients write artifacts" in told(replace(settings, mlflow_uri=serve(ill("", 0, proxied=False)))).found


def test_the_login_is_sent_and_not_shown(settings: Settings, serve, tmp_path: Path) -> None:
    seen: list[str | None] = []

    def respond(request, _):
        seen.append(request.headers.get("Authorization"))
        return 401, {}, b""

    (tmp_path / "mlflow").write_text("username=tasks\npassword=canary-3\n")
    found = told(replace(settings, mlflow_uri=serve(respond), secrets=tmp_path))
    assert seen == ["Basic dGFza3M6Y2FuYXJ5LTM="]
    assert "does not accept our login" in found.found
    assert "canary" not in found.found + found.remedy


def test_the_embedded_database(settings: Settings) -> None:
    file = Path(settings.mlflow_uri.removeprefix("sqlite:///"))
    assert "made by the first run" in told(settings).found
    file.parent.mkdir(parents=True)
    with closing(sqlite3.connect(file, isolation_level=None)) as held:
        held.execute("create table registered_models (name)")
        assert "0 registered models" in told(settings).found
        held.execute("begin exclusive")
        found = told(settings)
        held.execute("rollback")
    assert (found.mark, found.passing) == (Mark.FAIL, True), found
    file.write_bytes(b"no database" * 1000)
    assert (told(settings).mark, told(settings).passing) == (Mark.FAIL, False)
    file.write_bytes(b"")
    assert told(settings).mark is Mark.OK


def test_a_file_in_the_place_of_its_folder_and_another_kind_of_place(settings: Settings) -> None:
    settings.home.mkdir()
    (settings.home / "mlflow").write_text("")
    assert told(settings).mark is Mark.FAIL
    found = told(replace(settings, mlflow_uri="postgresql://user:canary@host/mlflow"))
    assert (found.mark, "canary" in found.found) == (Mark.WARN, False)

from __future__ import annotations

import configparser
from pathlib import Path

import pytest

from pipelines.config.settings import load
from pipelines.errors import ConfigError
from pipelines.services import mlflow_server

SECRETS = {
    "postgres-mlflow": "p%word",
    "mlflow-admin": "adm%in",
    "mlflow-session": "session",
    "aws-credentials": "[default]",
}


@pytest.fixture
def secrets(tmp_path: Path) -> Path:
    for name, text in SECRETS.items():
        (tmp_path / name).write_text(text)
    return tmp_path


def test_the_command_line_holds_no_secret() -> None:
    words = mlflow_server.command("127.0.0.1", 5000, "mlflow:5000")
    assert Path(words[0]).name == "mlflow"
    assert words[words.index("--allowed-hosts") + 1] == "mlflow:5000"
    assert words[words.index("--app-name") + 1] == "basic-auth"
    assert "--backend-store-uri" not in words


def test_the_process_is_told_what_it_needs(secrets: Path, tmp_path: Path) -> None:
    settings = load({"EVERGREEN_SECRETS": str(secrets), "EVERGREEN_S3_ENDPOINT": "http://s3:7070"})
    found = mlflow_server.environment(settings, "postgres:5432", tmp_path, {"PATH": "/bin"})
    assert found["MLFLOW_BACKEND_STORE_URI"] == "postgresql+psycopg2://mlflow:p%25word@postgres:5432/mlflow"
    assert found["MLFLOW_SERVER_ENABLE_JOB_EXECUTION"] == found["MLFLOW_ALLOW_PICKLE_DESERIALIZATION"] == "false"
    assert found["MLFLOW_S3_ENDPOINT_URL"] == "http://s3:7070"
    assert found["PATH"] == "/bin"
    logins = Path(found["MLFLOW_AUTH_CONFIG_PATH"])
    assert logins.stat().st_mode & 0o777 == 0o600
    read = configparser.ConfigParser()
    read.read(logins)
    assert read["mlflow"]["admin_password"] == "adm%in"
    assert read["mlflow"]["database_uri"].endswith("@postgres:5432/mlflow_auth")


@pytest.mark.parametrize("name", SECRETS)
def test_a_secret_that_is_missing_is_named(secrets: Path, tmp_path: Path, name: str) -> None:
    (secrets / name).unlink()
    with pytest.raises(ConfigError, match=f"there is no {name}"):
        mlflow_server.environment(load({"EVERGREEN_SECRETS": str(secrets)}), "postgres:5432", tmp_path, {})

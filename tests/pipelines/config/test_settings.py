"""Settings: embedded defaults, every variable named when it is wrong, and environments that spell them out."""

from __future__ import annotations

from pathlib import Path

import pytest
from sqlalchemy import make_url

from pipelines.config import settings
from pipelines.config.settings import Runtime
from pipelines.errors import ConfigError
from pipelines.services import airflow_config


def test_the_embedded_defaults_need_no_variable(tmp_path):
    found = settings.load({"EVERGREEN_HOME": str(tmp_path)})
    assert found.lake == str(tmp_path / "lake")
    assert found.predictions == str(tmp_path / "predictions")
    assert found.runtime is Runtime.AUTO
    assert found.secrets is None
    assert found.containers.image is None
    assert (found.s3.endpoint, found.s3.region, found.s3.attempts) == (None, "us-east-1", 5)


@pytest.mark.parametrize(
    ("name", "value"),
    [
        ("EVERGREEN_RUNTIME", "podman"),
        ("EVERGREEN_S3_ENDPOINT", "s3.example.org"),
        ("EVERGREEN_S3_CONNECT_SECONDS", "0"),
        ("EVERGREEN_S3_READ_SECONDS", "3 s"),
        ("EVERGREEN_S3_ATTEMPTS", "-1"),
        ("EVERGREEN_S3_ATTEMPTS", "٣"),
        ("EVERGREEN_AIRFLOW_PORT", "80"),
        ("EVERGREEN_MLFLOW_PAGE", "mlflow.example.org"),
        ("EVERGREEN_LEASE_SECONDS", "99999999999"),
    ],
)
def test_a_wrong_value_names_its_variable(name, value):
    with pytest.raises(ConfigError, match=name):
        settings.load({name: value})


@pytest.mark.parametrize("part", ["a#b", "a, b", "%(home)s", "a\nb"])
def test_a_home_that_dvc_cannot_write_down_is_refused(tmp_path, part):
    with pytest.raises(ConfigError, match=r"EVERGREEN_HOME: .*DVC's configuration cannot; choose another path"):
        settings.load({"EVERGREEN_HOME": str(tmp_path / part)})


@pytest.mark.parametrize("part", ["plain", "100%", "a%20b", "what?", "q'é=1;x y"])
def test_the_registry_of_any_other_home_is_in_it(tmp_path, part):
    found = settings.load({"EVERGREEN_HOME": str(tmp_path / part)})
    file = tmp_path / part / "mlflow" / "mlflow.db"
    assert settings.sqlite_file(found.mlflow_uri) == file
    assert make_url(found.mlflow_uri).database == str(file)
    assert make_url(airflow_config.database(found)).database == str(tmp_path / part / "airflow" / "airflow.db")


def test_a_child_finds_the_same_settings(tmp_path):
    given = settings.load(
        {
            "EVERGREEN_HOME": str(tmp_path),
            "EVERGREEN_LAKE": "s3://lake/a",
            "EVERGREEN_S3_ENDPOINT": "http://s3:7070",
            "EVERGREEN_S3_ATTEMPTS": "3",
            "EVERGREEN_SECRETS": str(tmp_path / "secrets"),
            "EVERGREEN_RUNTIME": "process",
            "EVERGREEN_TASK_IMAGE": "tasks:1",
            "EVERGREEN_DOCKER_HOST": "tcp://proxy:2375",
        }
    )
    env = settings.child_environment(given, {"PATH": "/bin", "AIRFLOW__CORE__X": "1", "_AIRFLOW": "1", "MLFLOW_Y": "2"})
    assert settings.load(env) == given
    assert env["PATH"] == "/bin"
    assert not [name for name in env if name.lstrip("_").startswith(("AIRFLOW", "MLFLOW_Y"))]


def test_a_task_container_has_its_own_places_and_nobody_elses_environment(tmp_path, monkeypatch):
    monkeypatch.setenv("AWS_SECRET_ACCESS_KEY", "canary")
    given = settings.load({"EVERGREEN_HOME": str(tmp_path), "EVERGREEN_RUNTIME": "docker", "EVERGREEN_LAKE": "s3://l"})
    env = settings.task_environment(given)
    inside = settings.load(env)
    assert (inside.home, inside.secrets) == (Path("/evergreen"), Path("/evergreen/secrets"))
    assert inside.models == Path("/opt/evergreen/include/models")
    assert (inside.lake, inside.runtime) == ("s3://l", Runtime.PROCESS)
    assert "canary" not in str(env)
    assert set(env) == {name for name in env if name.startswith("EVERGREEN_")} | set(settings.QUIET)

"""What the embedded Airflow is told, and who may read it."""

from __future__ import annotations

import configparser
import stat
from dataclasses import replace
from pathlib import Path

from pipelines.config.settings import Settings, child_environment
from pipelines.services import airflow_config, components


def read(settings: Settings) -> configparser.ConfigParser:
    parser = configparser.ConfigParser()
    parser.read(airflow_config.folder(settings) / "airflow.cfg")
    return parser


def test_everything_is_for_the_owner_alone_and_keys_are_kept(settings: Settings) -> None:
    home = airflow_config.write(settings)
    first = {path.name: path.read_bytes() for path in home.iterdir()}
    assert set(first) == {"airflow.cfg", "keys.json", "passwords.json"}
    assert {stat.S_IMODE(path.stat().st_mode) for path in home.iterdir()} == {0o600}
    assert stat.S_IMODE(home.stat().st_mode) == 0o700
    airflow_config.write(settings)
    assert {path.name: path.read_bytes() for path in home.iterdir()} == first


def test_the_password_is_long_and_never_shown(settings: Settings) -> None:
    airflow_config.write(settings)
    login = airflow_config.read_login(settings)
    assert len(login.password) >= 20
    assert login.password not in repr(login)


def test_loopback_only_and_no_examples(settings: Settings) -> None:
    airflow_config.write(settings)
    config = read(settings)
    assert config["api"]["host"] == "127.0.0.1"
    assert config["core"]["load_examples"] == "False"
    assert config["core"]["executor"] == "LocalExecutor"
    assert config["core"]["parallelism"] == "4"


def test_a_lost_heartbeat_is_noticed_within_a_minute(settings: Settings) -> None:
    airflow_config.write(settings)
    config = read(settings)
    waited = sum(
        int(config["scheduler"][f"task_instance_heartbeat_timeout{part}"]) for part in ("", "_detection_interval")
    )
    assert waited + 2 * int(config["workers"]["min_heartbeat_interval"]) < 60


def test_a_percent_sign_in_a_path_survives(settings: Settings, tmp_path: Path) -> None:
    odd = replace(settings, home=tmp_path / "100%s home")
    airflow_config.write(odd)
    assert read(odd)["core"]["simple_auth_manager_passwords_file"].startswith(str(odd.home))


def test_no_key_and_no_password_in_arguments_or_environment(settings: Settings) -> None:
    airflow_config.write(settings)
    secrets = [airflow_config.read_login(settings).password, read(settings)["api"]["secret_key"]]
    for item in [components.mlflow(settings), *components.airflow(settings)]:
        text = " ".join([*item.argv, *item.env.values()])
        assert not [secret for secret in secrets if secret in text]
        assert "0.0.0.0" not in text  # noqa: S104 - that is what is looked for


def test_the_callers_own_airflow_and_mlflow_settings_do_not_leak_in(settings: Settings) -> None:
    mine = {"PATH": "/bin", "AIRFLOW__API__HOST": "0.0.0.0", "MLFLOW_TRACKING_URI": "x", "_AIRFLOW_X": "1"}  # noqa: S104
    env = child_environment(settings, mine)
    assert not [key for key in env if "AIRFLOW_" in key and not key.startswith("EVERGREEN_")]
    assert "MLFLOW_TRACKING_URI" not in env
    assert env["PATH"] == "/bin"
    assert env["EVERGREEN_HOME"] == str(settings.home)


def test_tasks_talk_to_the_server_unless_another_is_set(settings: Settings) -> None:
    assert components.airflow_environment(settings)["EVERGREEN_MLFLOW_URI"] == "http://127.0.0.1:5000"
    other = replace(settings, mlflow_uri="http://mlflow.example:80")
    assert components.airflow_environment(other)["EVERGREEN_MLFLOW_URI"] == "http://mlflow.example:80"


def test_who_ends_where_the_database_is_locked_waits_long_and_the_api_does_not(settings: Settings) -> None:
    airflow_config.write(settings)
    key = "AIRFLOW__DATABASE__SQL_ALCHEMY_CONN"
    urls = {
        item.name: item.env.get(key, read(settings)["database"]["sql_alchemy_conn"])
        for item in components.airflow(settings)
    }
    assert urls.pop("api-server").endswith("/airflow/airflow.db?timeout=5")
    assert len(urls) == 3
    assert all(url.endswith("/airflow/airflow.db?timeout=120") for url in urls.values())

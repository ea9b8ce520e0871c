"""The embedded Airflow's own folder: `airflow.cfg`, its keys and the login, every file for its owner alone."""

from __future__ import annotations

import base64
import json
import os
import secrets
from dataclasses import dataclass
from pathlib import Path

from pipelines.config.settings import PROJECT, Settings, sqlite_uri
from pipelines.services.ports import LOOPBACK
from pipelines.services.processes import write_private
from pipelines.storage import files

USER = "admin"
# Tasks at once, each a process of 130 MB: enough for two runs side by side and an ingest.
PARALLELISM = 4
# Scheduler, dag processor and triggerer end where the database is locked for longer. Requests may hold the lock while
# those that wait for it keep the API server from going on with them: with SQLite's 5 s half a minute was seen. There
# waiting is what prolongs it, and whoever asked gets an error and asks again.
PATIENCE, API_PATIENCE = 120, 5

Sections = dict[str, dict[str, str]]


@dataclass(frozen=True)
class Login:
    """Who may log in to the embedded Airflow. The password never shows in a repr."""

    user: str
    password: str

    def __repr__(self) -> str:
        return f"Login(user={self.user!r}, password=***)"


def folder(settings: Settings) -> Path:
    """AIRFLOW_HOME."""
    return settings.home / "airflow"


def password_file(settings: Settings) -> Path:
    """Where the generated password is kept, in the format of Airflow's simple auth manager."""
    return folder(settings) / "passwords.json"


def database(settings: Settings, patience: int = PATIENCE) -> str:
    """Airflow's SQLite file as SQLAlchemy's URL; `patience`: seconds that a writer waits for another one."""
    return f"{sqlite_uri(folder(settings) / 'airflow.db')}?timeout={patience}"


def read_login(settings: Settings) -> Login:
    """The login of the embedded Airflow; raises IntegrityError when services were never started."""
    return Login(USER, str(files.read_json(password_file(settings))[USER]))


def write(settings: Settings) -> Path:
    """Write configuration, keys and password (keys and password once only); returns AIRFLOW_HOME."""
    home = folder(settings)
    home.mkdir(parents=True, exist_ok=True, mode=0o700)
    home.chmod(0o700)
    if not password_file(settings).exists():
        # Written before Airflow can generate one, which it would print into its log.
        password = json.dumps({USER: secrets.token_urlsafe(18)}) + "\n"
        write_private(password_file(settings), password.encode())
    sections = _sections(settings, _keys(home / "keys.json"))
    write_private(home / "airflow.cfg", _render(sections).encode())
    return home


def _keys(path: Path) -> dict[str, str]:
    if not path.exists():
        keys = {name: secrets.token_urlsafe(48) for name in ("api", "jwt")}
        keys["fernet"] = base64.urlsafe_b64encode(os.urandom(32)).decode()
        write_private(path, files.json_bytes(keys))
    stored: dict[str, str] = files.read_json(path)
    return stored


def _sections(settings: Settings, keys: dict[str, str]) -> Sections:
    address = f"http://{LOOPBACK}:{settings.airflow_port}"
    return _core(settings, keys, address) | _servers(settings, keys, address) | _pace()


def _core(settings: Settings, keys: dict[str, str], address: str) -> Sections:
    home = folder(settings)
    return {
        "core": {
            "dags_folder": str(PROJECT / "dags"),
            "plugins_folder": str(PROJECT / "plugins"),
            "executor": "LocalExecutor",
            "parallelism": str(PARALLELISM),
            "load_examples": "False",
            "dags_are_paused_at_creation": "False",
            "fernet_key": keys["fernet"],
            "execution_api_server_url": f"{address}/execution/",
            "auth_manager": "airflow.api_fastapi.auth.managers.simple.simple_auth_manager.SimpleAuthManager",
            "simple_auth_manager_users": f"{USER}:admin",
            "simple_auth_manager_passwords_file": str(password_file(settings)),
            "hostname_callable": "socket.gethostname",
        },
        "database": {"sql_alchemy_conn": database(settings)},
        "logging": {
            "base_log_folder": str(home / "logs"),
            "file_task_handler_new_folder_permissions": "0o700",
            "file_task_handler_new_file_permissions": "0o600",
        },
    }


def _servers(settings: Settings, keys: dict[str, str], address: str) -> Sections:
    return {
        "api": {
            "host": LOOPBACK,
            "port": str(settings.airflow_port),
            "base_url": address,
            "workers": "1",
            "secret_key": keys["api"],
            "instance_name": "Evergreen",
            "expose_config": "False",
        },
        "api_auth": {"jwt_secret": keys["jwt"]},
    }


def _pace() -> Sections:
    # Airflow's defaults suit a cluster; here a person waits for six short tasks in a row.
    return {
        "scheduler": {
            "scheduler_idle_sleep_time": "0.5",
            "scheduler_heartbeat_sec": "2",
            "job_heartbeat_sec": "2",
            # A task whose process was killed is noticed within a minute, its last heartbeat included, instead of five.
            "task_instance_heartbeat_timeout": "45",
            "task_instance_heartbeat_timeout_detection_interval": "5",
            "orphaned_tasks_check_interval": "30",
            "enable_health_check": "False",
        },
        "dag_processor": {
            "min_file_process_interval": "20",
            "refresh_interval": "10",
            "bundle_refresh_check_interval": "2",
            "parsing_processes": "1",
        },
        "workers": {"min_heartbeat_interval": "2"},
    }


def _render(sections: Sections) -> str:
    lines = ["# Written by `evergreen up`; changes here are lost."]
    for name, options in sections.items():
        lines.append(f"[{name}]")
        # configparser reads % as the start of an interpolation.
        lines += [f"{key} = {value.replace('%', '%%')}" for key, value in options.items()]
    return "\n".join(lines) + "\n"

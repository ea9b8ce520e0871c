"""The embedded components: how each is started and how one knows that it answers."""

from __future__ import annotations

import json
import sys
import urllib.error
import urllib.request
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from datetime import datetime
from pathlib import Path
from typing import Any

from pipelines.config.settings import Settings, child_environment, sqlite_uri
from pipelines.services import airflow_config
from pipelines.services.ports import LOOPBACK

TIMEOUT = 2.0
# Names of Airflow's own health report.
AIRFLOW_HEALTH = {"scheduler": "scheduler", "dag-processor": "dag_processor", "triggerer": "triggerer"}


@dataclass(frozen=True)
class Component:
    """One process to start. `answers(since)`: does it, having been started at `since` (Unix seconds)?"""

    name: str
    argv: tuple[str, ...]
    env: Mapping[str, str]
    folder: Path
    answers: Callable[[float], bool]


def mlflow_address(settings: Settings) -> str:
    """Where people and tasks reach the embedded MLflow."""
    return f"http://{LOOPBACK}:{settings.mlflow_port}"


def airflow_address(settings: Settings) -> str:
    """Where people and tools reach the embedded Airflow."""
    return f"http://{LOOPBACK}:{settings.airflow_port}"


def mlflow(settings: Settings) -> Component:
    """The MLflow server on SQLite, artifacts in a folder that its clients write to themselves."""
    argv = (
        *(script("mlflow"), "server", "--host", LOOPBACK, "--port", str(settings.mlflow_port), "--workers", "1"),
        *("--backend-store-uri", sqlite_uri(settings.home / "mlflow" / "mlflow.db")),
        *("--default-artifact-root", str(settings.artifacts), "--no-serve-artifacts"),
    )
    env = child_environment(settings) | {
        "MLFLOW_SERVER_ENABLE_JOB_EXECUTION": "false",
        "MLFLOW_ALLOW_PICKLE_DESERIALIZATION": "false",
    }
    url = f"{mlflow_address(settings)}/health"
    return Component("mlflow", argv, env, settings.home / "mlflow", lambda _: get(url) is not None)


def airflow(settings: Settings) -> list[Component]:
    """Airflow's four components. `standalone` would open log servers on every interface."""
    env, home = airflow_environment(settings), airflow_config.folder(settings)
    health = f"{airflow_address(settings)}/api/v2/monitor/health"
    commands = {
        "api-server": ("api-server",),
        "scheduler": ("scheduler", "--skip-serve-logs"),
        "dag-processor": ("dag-processor",),
        "triggerer": ("triggerer", "--skip-serve-logs"),
    }
    hasty = {"AIRFLOW__DATABASE__SQL_ALCHEMY_CONN": airflow_config.database(settings, airflow_config.API_PATIENCE)}
    envs = {"api-server": env | hasty}
    return [
        Component(name, (script("airflow"), *command), envs.get(name, env), home, _airflow_answers(name, health))
        for name, command in commands.items()
    ]


def airflow_environment(settings: Settings) -> dict[str, str]:
    """What Airflow and through it every stage sees; they talk to MLflow's server, not to its database."""
    env = child_environment(settings) | {"AIRFLOW_HOME": str(airflow_config.folder(settings))}
    if settings.mlflow_uri.startswith("sqlite:"):
        env["EVERGREEN_MLFLOW_URI"] = mlflow_address(settings)
    return env


def script(name: str) -> str:
    """The path of a console script of this environment."""
    return str(Path(sys.executable).parent / name)


def get(url: str) -> bytes | None:
    """The body of `url`, or None while nothing there answers with success."""
    try:
        with urllib.request.urlopen(url, timeout=TIMEOUT) as answer:  # noqa: S310 - our own address on loopback
            body: bytes = answer.read()
            return body
    except (urllib.error.URLError, OSError):
        return None


def _airflow_answers(name: str, url: str) -> Callable[[float], bool]:
    def answers(since: float) -> bool:
        body = get(url)
        if body is None:
            return False
        return name == "api-server" or _fresh(json.loads(body).get(AIRFLOW_HEALTH[name]) or {}, since)

    return answers


def _fresh(report: dict[str, Any], since: float) -> bool:
    # Right after a restart the last heartbeat of the process before still counts as healthy with Airflow.
    beats = [value for key, value in report.items() if key.startswith("latest_") and value]
    return report.get("status") == "healthy" and any(
        datetime.fromisoformat(beat).timestamp() >= since for beat in beats
    )

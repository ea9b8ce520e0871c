"""Settings: the one place that reads the environment and knows where things live."""

from __future__ import annotations

import os
from collections.abc import Mapping
from dataclasses import dataclass
from enum import StrEnum
from pathlib import Path

from pipelines.errors import ConfigError, shorten

PROJECT = Path(__file__).resolve().parents[2]
_QUIET = {
    "DO_NOT_TRACK": "1",
    "SCARF_ANALYTICS": "false",
    "MLFLOW_DISABLE_TELEMETRY": "true",
    "DVC_NO_ANALYTICS": "1",
    "GX_ANALYTICS_ENABLED": "false",
}


class Runtime(StrEnum):
    """Where a stage of a DAG runs."""

    PROCESS = "process"


@dataclass(frozen=True)
class Settings:
    """Where things live and how to reach them. Built by `load`; every field has an `EVERGREEN_*` variable."""

    home: Path
    models: Path
    lake: str
    ledgers: str
    dvc_remote: str
    mlflow_uri: str
    airflow_port: int
    mlflow_port: int
    runtime: Runtime
    lease_seconds: int
    git_sha: str | None = None
    image_digest: str | None = None

    @property
    def cache(self) -> Path:
        """The DVC cache that all workspaces of this machine share."""
        return self.home / "cache"

    @property
    def workspaces(self) -> Path:
        """Clones of ledgers, one folder a run; on the cache's volume, so that hard links work."""
        return self.home / "workspaces"

    @property
    def mirrors(self) -> Path:
        """Bare clones of ledgers through which refs are read and written."""
        return self.home / "mirrors"

    @property
    def predictions(self) -> Path:
        """Where `evergreen predict` writes."""
        return self.home / "predictions"

    @property
    def artifacts(self) -> Path:
        """MLflow's artifact root."""
        return self.home / "mlflow" / "artifacts"


def load(environ: Mapping[str, str] | None = None) -> Settings:
    """Settings from `environ` (default: the process's), with the embedded defaults.

    Raises:
        ConfigError: a variable holds a value that cannot be used.
    """
    env = os.environ if environ is None else environ
    home = Path(env.get("EVERGREEN_HOME") or PROJECT / ".evergreen").resolve()
    return Settings(
        home=home,
        models=Path(env.get("EVERGREEN_MODELS") or PROJECT / "include" / "models").resolve(),
        lake=env.get("EVERGREEN_LAKE") or str(home / "lake"),
        ledgers=env.get("EVERGREEN_LEDGERS") or str(home / "ledger"),
        dvc_remote=env.get("EVERGREEN_DVC_REMOTE") or str(home / "remote"),
        mlflow_uri=env.get("EVERGREEN_MLFLOW_URI") or f"sqlite:///{home}/mlflow/mlflow.db",
        airflow_port=_integer(env, "EVERGREEN_AIRFLOW_PORT", 8080, 1024, 65535),
        mlflow_port=_integer(env, "EVERGREEN_MLFLOW_PORT", 5000, 1024, 65535),
        runtime=_runtime(env),
        lease_seconds=_integer(env, "EVERGREEN_LEASE_SECONDS", 1800, 5, 86400),
        git_sha=env.get("EVERGREEN_GIT_SHA") or None,
        image_digest=env.get("EVERGREEN_IMAGE_DIGEST") or None,
    )


def child_environment(settings: Settings, environ: Mapping[str, str] | None = None) -> dict[str, str]:
    """The environment for processes that Evergreen starts: the caller's, our settings spelt out, telemetry off.

    The caller's own Airflow and MLflow settings are left out: they could open ports or point at another database.
    """
    env = os.environ if environ is None else environ
    kept = {key: value for key, value in env.items() if not key.lstrip("_").startswith(("AIRFLOW", "MLFLOW"))}
    return (
        kept
        | _QUIET
        | {
            "EVERGREEN_HOME": str(settings.home),
            "EVERGREEN_MODELS": str(settings.models),
            "EVERGREEN_LAKE": settings.lake,
            "EVERGREEN_LEDGERS": settings.ledgers,
            "EVERGREEN_DVC_REMOTE": settings.dvc_remote,
            "EVERGREEN_MLFLOW_URI": settings.mlflow_uri,
            "EVERGREEN_AIRFLOW_PORT": str(settings.airflow_port),
            "EVERGREEN_MLFLOW_PORT": str(settings.mlflow_port),
            "EVERGREEN_RUNTIME": settings.runtime.value,
            "EVERGREEN_LEASE_SECONDS": str(settings.lease_seconds),
        }
    )


def _integer(env: Mapping[str, str], name: str, default: int, low: int, high: int) -> int:
    text = env.get(name) or str(default)
    if not text.isascii() or not text.isdigit() or len(text) > 9 or not low <= int(text) <= high:
        raise ConfigError(f"{shorten(repr(text))} is not usable", where=name, remedy=f"set a whole number {low}-{high}")
    return int(text)


def _runtime(env: Mapping[str, str]) -> Runtime:
    text = env.get("EVERGREEN_RUNTIME") or Runtime.PROCESS.value
    if text not in {item.value for item in Runtime}:
        known = ", ".join(item.value for item in Runtime)
        raise ConfigError(
            f"{shorten(repr(text))} is no runtime", where="EVERGREEN_RUNTIME", remedy=f"set one of: {known}"
        )
    return Runtime(text)

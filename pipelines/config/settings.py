"""Settings: the one place that reads the environment and knows where things live."""

from __future__ import annotations

import os
from collections.abc import Mapping
from dataclasses import dataclass, replace
from enum import StrEnum
from pathlib import Path
from urllib.parse import unquote

from pipelines.errors import ConfigError, shorten

PROJECT = Path(__file__).resolve().parents[2]
# The same in every task container: the one volume, and the model folders that the image carries.
TASK_HOME = Path("/evergreen")
TASK_MODELS = Path("/opt/evergreen/include/models")
QUIET = {
    "DO_NOT_TRACK": "1",
    "SCARF_ANALYTICS": "false",
    "MLFLOW_DISABLE_TELEMETRY": "true",
    "DVC_NO_ANALYTICS": "1",
    "GX_ANALYTICS_ENABLED": "false",
}


class Runtime(StrEnum):
    """Where a stage of a DAG runs. `auto`: in Docker where an image is named, there, and the engine answers."""

    AUTO = "auto"
    PROCESS = "process"
    DOCKER = "docker"
    KUBERNETES = "kubernetes"


@dataclass(frozen=True)
class S3:
    """How `s3://` places are reached. Keys come from the secret `aws-credentials`, else from where AWS looks."""

    endpoint: str | None
    region: str
    connect_seconds: int
    read_seconds: int
    attempts: int


@dataclass(frozen=True)
class Containers:
    """What task containers are made of. No image: stages run as processes.

    A volume holds workspace, cache and secrets of the stages; `promote`, which alone may write `champion`, has one of
    its own.
    """

    image: str | None
    engine: str
    network: str
    volume: str
    promote_volume: str
    namespace: str


@dataclass(frozen=True)
class Settings:
    """Where things live and how to reach them. Built by `load`; every field has an `EVERGREEN_*` variable."""

    home: Path
    models: Path
    lake: str
    ledgers: str
    dvc_remote: str
    predictions: str
    mlflow_uri: str
    s3: S3
    secrets: Path | None
    containers: Containers
    airflow_port: int
    mlflow_port: int
    mlflow_page: str
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
    def artifacts(self) -> Path:
        """MLflow's artifact root."""
        return self.home / "mlflow" / "artifacts"


def load(environ: Mapping[str, str] | None = None) -> Settings:
    """Settings from `environ` (default: the process's), with the embedded defaults.

    Raises:
        ConfigError: a variable holds a value that cannot be used.
    """
    env = os.environ if environ is None else environ
    home = Path(_place(str(Path(env.get("EVERGREEN_HOME") or PROJECT / ".evergreen").resolve()), "EVERGREEN_HOME"))
    return Settings(
        home=home,
        models=Path(env.get("EVERGREEN_MODELS") or PROJECT / "include" / "models").resolve(),
        lake=env.get("EVERGREEN_LAKE") or str(home / "lake"),
        ledgers=env.get("EVERGREEN_LEDGERS") or str(home / "ledger"),
        dvc_remote=_place(env.get("EVERGREEN_DVC_REMOTE") or str(home / "remote"), "EVERGREEN_DVC_REMOTE"),
        predictions=env.get("EVERGREEN_PREDICTIONS") or str(home / "predictions"),
        mlflow_uri=env.get("EVERGREEN_MLFLOW_URI") or sqlite_uri(home / "mlflow" / "mlflow.db"),
        s3=_s3(env),
        secrets=Path(env["EVERGREEN_SECRETS"]).resolve() if env.get("EVERGREEN_SECRETS") else None,
        containers=_containers(env),
        airflow_port=_integer(env, "EVERGREEN_AIRFLOW_PORT", 8080, 1024, 65535),
        mlflow_port=_integer(env, "EVERGREEN_MLFLOW_PORT", 5000, 1024, 65535),
        mlflow_page=_mlflow_page(env),
        runtime=_runtime(env),
        lease_seconds=_integer(env, "EVERGREEN_LEASE_SECONDS", 1800, 5, 86400),
        git_sha=env.get("EVERGREEN_GIT_SHA") or None,
        image_digest=env.get("EVERGREEN_IMAGE_DIGEST") or None,
    )


def sqlite_uri(file: Path) -> str:
    """The SQLite database in `file` for SQLAlchemy, which takes `%41` for a letter and `?` for the end of the path."""
    return f"sqlite:///{str(file).replace('%', '%25').replace('?', '%3F')}"


def sqlite_file(uri: str) -> Path | None:
    """The file of an SQLite database's URI; None for another database."""
    found = uri.removeprefix("sqlite:///")
    return None if found == uri else Path(unquote(found.partition("?")[0]))


def child_environment(settings: Settings, environ: Mapping[str, str] | None = None) -> dict[str, str]:
    """The environment for processes that Evergreen starts: the caller's, our settings spelt out, telemetry off.

    The caller's own Airflow and MLflow settings are left out: they could open ports or point at another database.
    """
    env = os.environ if environ is None else environ
    kept = {key: value for key, value in env.items() if not key.lstrip("_").startswith(("AIRFLOW", "MLFLOW"))}
    return kept | QUIET | _spelt(settings) | {"EVERGREEN_RUNTIME": settings.runtime.value}


def task_environment(settings: Settings) -> dict[str, str]:
    """The environment of a task container: where things live there; names and addresses, never a secret."""
    inside = replace(settings, home=TASK_HOME, models=TASK_MODELS, secrets=TASK_HOME / "secrets")
    return QUIET | _spelt(inside) | {"EVERGREEN_RUNTIME": Runtime.PROCESS.value}


def _spelt(settings: Settings) -> dict[str, str]:
    """Every setting but the runtime as its variable; what is not set is left out."""
    s3, containers = settings.s3, settings.containers
    spelt = {
        "EVERGREEN_HOME": str(settings.home),
        "EVERGREEN_MODELS": str(settings.models),
        "EVERGREEN_LAKE": settings.lake,
        "EVERGREEN_LEDGERS": settings.ledgers,
        "EVERGREEN_DVC_REMOTE": settings.dvc_remote,
        "EVERGREEN_PREDICTIONS": settings.predictions,
        "EVERGREEN_MLFLOW_URI": settings.mlflow_uri,
        "EVERGREEN_SECRETS": settings.secrets and str(settings.secrets),
        "EVERGREEN_S3_ENDPOINT": s3.endpoint,
        "EVERGREEN_S3_REGION": s3.region,
        "EVERGREEN_S3_CONNECT_SECONDS": str(s3.connect_seconds),
        "EVERGREEN_S3_READ_SECONDS": str(s3.read_seconds),
        "EVERGREEN_S3_ATTEMPTS": str(s3.attempts),
        "EVERGREEN_TASK_IMAGE": containers.image,
        "EVERGREEN_DOCKER_HOST": containers.engine,
        "EVERGREEN_DOCKER_NETWORK": containers.network,
        "EVERGREEN_TASK_VOLUME": containers.volume,
        "EVERGREEN_PROMOTE_VOLUME": containers.promote_volume,
        "EVERGREEN_KUBERNETES_NAMESPACE": containers.namespace,
        "EVERGREEN_AIRFLOW_PORT": str(settings.airflow_port),
        "EVERGREEN_MLFLOW_PORT": str(settings.mlflow_port),
        "EVERGREEN_MLFLOW_PAGE": settings.mlflow_page,
        "EVERGREEN_LEASE_SECONDS": str(settings.lease_seconds),
        "EVERGREEN_GIT_SHA": settings.git_sha,
        "EVERGREEN_IMAGE_DIGEST": settings.image_digest,
    }
    return {name: value for name, value in spelt.items() if value}


def _s3(env: Mapping[str, str]) -> S3:
    endpoint = env.get("EVERGREEN_S3_ENDPOINT") or None
    if endpoint is not None and not endpoint.startswith(("http://", "https://")):
        raise ConfigError(
            f"{shorten(repr(endpoint))} is no address", where="EVERGREEN_S3_ENDPOINT", remedy="begin with https://"
        )
    return S3(
        endpoint=endpoint,
        region=env.get("EVERGREEN_S3_REGION") or "us-east-1",
        connect_seconds=_integer(env, "EVERGREEN_S3_CONNECT_SECONDS", 5, 1, 600),
        read_seconds=_integer(env, "EVERGREEN_S3_READ_SECONDS", 30, 1, 3600),
        attempts=_integer(env, "EVERGREEN_S3_ATTEMPTS", 5, 1, 20),
    )


def _containers(env: Mapping[str, str]) -> Containers:
    return Containers(
        image=env.get("EVERGREEN_TASK_IMAGE") or None,
        engine=env.get("EVERGREEN_DOCKER_HOST") or env.get("DOCKER_HOST") or "unix:///var/run/docker.sock",
        network=env.get("EVERGREEN_DOCKER_NETWORK") or "evergreen-tasks",
        volume=env.get("EVERGREEN_TASK_VOLUME") or "evergreen-tasks",
        promote_volume=env.get("EVERGREEN_PROMOTE_VOLUME") or "evergreen-promote",
        namespace=env.get("EVERGREEN_KUBERNETES_NAMESPACE") or "evergreen",
    )


def _place(text: str, name: str) -> str:
    """`text`, a path that DVC's configuration can hold: it would end at a `#`, split at a comma and fill in `%(x)s`."""
    if found := next((sign for sign in ("#", ",", "%(", "\n", "\r") if sign in text), None):
        raise ConfigError(
            f"{shorten(text)} holds {found!r}, which DVC's configuration cannot",
            where=name,
            remedy="choose another path",
        )
    return text


def _integer(env: Mapping[str, str], name: str, default: int, low: int, high: int) -> int:
    text = env.get(name) or str(default)
    if not text.isascii() or not text.isdigit() or len(text) > 9 or not low <= int(text) <= high:
        raise ConfigError(f"{shorten(repr(text))} is not usable", where=name, remedy=f"set a whole number {low}-{high}")
    return int(text)


def _mlflow_page(env: Mapping[str, str]) -> str:
    """Where people's browsers reach MLflow, for links: tasks may know it by another name."""
    port = _integer(env, "EVERGREEN_MLFLOW_PORT", 5000, 1024, 65535)
    page = env.get("EVERGREEN_MLFLOW_PAGE") or f"http://127.0.0.1:{port}"
    if not page.startswith(("http://", "https://")):
        raise ConfigError(
            f"{shorten(repr(page))} is no address", where="EVERGREEN_MLFLOW_PAGE", remedy="begin with https://"
        )
    return page.rstrip("/")


def _runtime(env: Mapping[str, str]) -> Runtime:
    text = env.get("EVERGREEN_RUNTIME") or Runtime.AUTO.value
    if text not in {item.value for item in Runtime}:
        known = ", ".join(item.value for item in Runtime)
        raise ConfigError(
            f"{shorten(repr(text))} is no runtime", where="EVERGREEN_RUNTIME", remedy=f"set one of: {known}"
        )
    return Runtime(text)

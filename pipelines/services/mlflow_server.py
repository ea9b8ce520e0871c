"""Becomes MLflow's server: PostgreSQL, artifacts on S3, a login for everybody, and no secret in plain sight."""

from __future__ import annotations

import os
import sys
from collections.abc import Mapping
from pathlib import Path
from typing import NoReturn
from urllib.parse import quote

from pipelines.config.secrets import AWS, secret_file
from pipelines.config.settings import Settings
from pipelines.errors import ConfigError
from pipelines.services.processes import write_private

BUCKET = "s3://evergreen-mlflow"
# Whoever has a login sees everything; what is somebody's own, others cannot change. Checking a password is slow on
# purpose: without the cache every request waits for it.
_LOGINS = """[mlflow]
default_permission = READ
database_uri = {uri}
admin_username = admin
admin_password = {password}
auth_cache_ttl_seconds = 60
"""


def serve(settings: Settings, host: str, port: int, allowed: str, database: str, scratch: Path) -> NoReturn:
    """Replace this process by the server. `database` is PostgreSQL's host and port, `scratch` a folder in memory.

    Raises:
        ConfigError: a secret is missing.
    """
    argv = command(host, port, allowed)
    os.execve(argv[0], argv, environment(settings, database, scratch, os.environ))  # noqa: S606 - no shell is wanted


def command(host: str, port: int, allowed: str) -> list[str]:
    """The server's command line; it holds no secret."""
    return [
        *(str(Path(sys.executable).with_name("mlflow")), "server", "--host", host, "--port", str(port)),
        *("--workers", "1", "--app-name", "basic-auth", "--allowed-hosts", allowed),
        *("--serve-artifacts", "--artifacts-destination", BUCKET),
    ]


def environment(settings: Settings, database: str, scratch: Path, environ: Mapping[str, str]) -> dict[str, str]:
    """The environment of the server's own process, which is nobody else's to read; writes the file of its logins."""
    credentials = secret_file(settings, AWS)
    if credentials is None:
        raise ConfigError("there is no aws-credentials", where=str(settings.secrets), remedy="see secrets-init")
    password = quote(_get(settings, "postgres-mlflow"), safe="")
    address = f"postgresql+psycopg2://mlflow:{password}@{database}"
    logins = scratch / "mlflow-logins.ini"
    # configparser reads % as the start of an interpolation.
    text = _LOGINS.format(uri=f"{address}/mlflow_auth", password=_get(settings, "mlflow-admin")).replace("%", "%%")
    write_private(logins, text.encode())
    return (
        dict(environ)
        | {
            "MLFLOW_BACKEND_STORE_URI": f"{address}/mlflow",
            "MLFLOW_AUTH_CONFIG_PATH": str(logins),
            "MLFLOW_FLASK_SERVER_SECRET_KEY": _get(settings, "mlflow-session"),
            "MLFLOW_SERVER_ENABLE_JOB_EXECUTION": "false",
            "MLFLOW_ALLOW_PICKLE_DESERIALIZATION": "false",
            "AWS_SHARED_CREDENTIALS_FILE": str(credentials),
            "AWS_DEFAULT_REGION": settings.s3.region,
            "AWS_MAX_ATTEMPTS": str(settings.s3.attempts),
            # A bucket in the host name asks for names that only Amazon has; so do checksums at the end of a body.
            "MLFLOW_BOTO_CLIENT_ADDRESSING_STYLE": "path",
            "AWS_REQUEST_CHECKSUM_CALCULATION": "when_required",
            "AWS_RESPONSE_CHECKSUM_VALIDATION": "when_required",
        }
        | ({"MLFLOW_S3_ENDPOINT_URL": settings.s3.endpoint} if settings.s3.endpoint else {})
    )


def _get(settings: Settings, name: str) -> str:
    path = secret_file(settings, name)
    if path is None:
        raise ConfigError(f"there is no {name}", where=str(settings.secrets), remedy="see secrets-init")
    return path.read_text(encoding="ascii").strip()

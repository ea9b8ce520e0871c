"""The stack's secrets: made on the first start, one file each that its owner alone may read."""

from __future__ import annotations

import base64
import os
import secrets
from collections.abc import Callable
from pathlib import Path

from pipelines.config.settings import Settings
from pipelines.errors import ConfigError, shorten
from pipelines.services.processes import write_private

PREVIOUS = ".previous"
FERNET = "airflow-fernet"


def _password() -> str:
    # Letters, digits, `-` and `_`: nothing that an address, a shell or an ini file would read in its own way.
    return "e" + secrets.token_urlsafe(30)


def _long() -> str:
    # As long as the hash that signs with it.
    return secrets.token_urlsafe(60)


def _fernet() -> str:
    return base64.urlsafe_b64encode(os.urandom(32)).decode()


def _access_key() -> str:
    return f"EG{secrets.token_hex(9).upper()}"


NAMES: dict[str, Callable[[], str]] = {
    "postgres": _password,
    "postgres-airflow": _password,
    "postgres-mlflow": _password,
    "s3-access-key": _access_key,
    "s3-secret-key": _password,
    "ledger-tasks": _password,
    "ledger-promoter": _password,
    "mlflow-admin": _password,
    "mlflow-tasks": _password,
    "mlflow-session": _password,
    "airflow-admin": _password,
    FERNET: _fernet,
    "airflow-api": _long,
    "airflow-jwt": _long,
    "redis": _password,
}


def folder(settings: Settings) -> Path:
    """Where the secrets of the stack on this machine lie."""
    return settings.home / "stack" / "secrets"


def ensure(where: Path) -> list[str]:
    """Make what is not there yet; returns the names of what was made."""
    where.mkdir(parents=True, exist_ok=True, mode=0o700)
    where.chmod(0o700)
    missing = [name for name in NAMES if not (where / name).exists()]
    for name in missing:
        write_private(where / name, NAMES[name]().encode())
    return missing


def rotate(where: Path, name: str) -> None:
    """Give `name` a new value and keep the old one beside it, with which the services are told the new one.

    Raises:
        ConfigError: there is no such secret, or it was never made.
    """
    if name not in NAMES:
        raise ConfigError(
            f"{shorten(repr(name))} is no secret", where="--rotate", remedy=f"one of: {', '.join(sorted(NAMES))}"
        )
    old = read(where, name)
    new = NAMES[name]()
    write_private(where / f"{name}{PREVIOUS}", old.encode())
    # Airflow writes with the first of its keys and reads with all of them.
    write_private(where / name, (f"{new},{old.partition(',')[0]}" if name == FERNET else new).encode())


def read(where: Path, name: str) -> str:
    """The value of secret `name`; raises ConfigError where it was never made."""
    path = where / name
    try:
        return path.read_text(encoding="ascii").strip()
    except FileNotFoundError:
        raise ConfigError("is not there", where=str(path), remedy="run `evergreen stack-secrets`") from None

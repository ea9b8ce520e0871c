"""Secrets come as files of one folder, read when they are needed and never kept in the environment."""

from __future__ import annotations

from pathlib import Path

from pipelines.config.settings import Settings
from pipelines.errors import ConfigError

# File names in the folder EVERGREEN_SECRETS.
AWS = "aws-credentials"  # an AWS shared credentials file, profile [default]
LEDGER = "ledger"  # two lines: username=..., password=...
PROMOTER = "ledger-promoter"  # the same, for who records people's answers and is a task in all else: Airflow
MLFLOW = "mlflow"  # two lines: username=..., password=...
SIGNING = "champion-key"  # an SSH private key without a passphrase: who has it signs commits of `champion`
SIGNERS = "champion-signers"  # lines `NAME ssh-ed25519 AAAA...`, as ssh-keygen calls them: allowed signers


def secret_file(settings: Settings, name: str) -> Path | None:
    """The file of secret `name`; None where the settings name no folder or the folder has no such file."""
    if settings.secrets is None:
        return None
    path = settings.secrets / name
    return path if path.is_file() else None


def login(settings: Settings, name: str) -> tuple[str, str] | None:
    """User name and password from secret `name`, the lines `username=` and `password=`; None: no such secret.

    Raises:
        ConfigError: the file cannot be read or lacks a line. What it holds is never shown.
    """
    path = secret_file(settings, name)
    if path is None:
        return None
    try:
        lines = path.read_text(encoding="utf-8").splitlines()
    except (OSError, ValueError) as error:
        raise ConfigError(f"cannot be read: {type(error).__name__}", where=str(path), remedy="see its owner") from None
    found = dict(line.split("=", 1) for line in lines if "=" in line)
    if not found.get("username") or not found.get("password"):
        raise ConfigError("lacks a user name or a password", where=str(path), remedy="two lines: username=, password=")
    return found["username"], found["password"]

"""Who may speak to the ledger server, and as what."""

from __future__ import annotations

import base64
import hashlib
import hmac
from dataclasses import replace
from enum import StrEnum
from pathlib import Path

from pipelines.config.secrets import login
from pipelines.config.settings import Settings
from pipelines.errors import ConfigError
from pipelines.ledger import hook

LONGEST = 4096


class Role(StrEnum):
    """What a user may write: `tasks` not `champion`, nor what promotion and retention go by; `promoter` these too."""

    TASKS = "tasks"
    PROMOTER = hook.PROMOTER


class Users:
    """The logins in the files `ledger-tasks` and `ledger-promoter` of `folder`, read anew for each request.

    New passwords count from the moment their file is there; nothing is restarted.
    """

    def __init__(self, settings: Settings, folder: Path) -> None:
        self._settings = replace(settings, secrets=folder)

    def check(self) -> None:
        """Raises ConfigError where a file is missing or unusable, or where both roles have one login."""
        if len({self._login(role) for role in Role}) < len(Role):
            raise ConfigError(
                "tasks and promoter have the same login",
                where=str(self._settings.secrets),
                remedy="give each its own, or every task could promote",
            )

    def role_of(self, header: str | None) -> Role | None:
        """The role of whoever sent this `Authorization` header; None: nobody we know.

        Raises:
            ConfigError: a file is missing or unusable.
        """
        claimed = _digest(_claim(header))
        # Every comparison is made, each in constant time: how long it takes tells nothing.
        same = [role for role in Role if hmac.compare_digest(claimed, _digest(":".join(self._login(role)).encode()))]
        return same[0] if same else None

    def _login(self, role: Role) -> tuple[str, str]:
        found = login(self._settings, f"ledger-{role}")
        if found is None:
            raise ConfigError(
                f"there is no ledger-{role}", where=str(self._settings.secrets), remedy="make it: username=, password="
            )
        return found


def _claim(header: str | None) -> bytes:
    """`name:password` of a Basic header; empty, which no login is, for anything else."""
    scheme, _, token = (header or "").partition(" ")
    if scheme.lower() != "basic" or len(token) > LONGEST:
        return b""
    try:
        return base64.b64decode(token.strip(), validate=True)
    except ValueError:
        return b""


def _digest(text: bytes) -> bytes:
    return hashlib.sha256(text).digest()

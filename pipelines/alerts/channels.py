"""The channels of a secret file: one URL a line, of any kind that Apprise knows: mailto://, slack://, json:// …"""

from __future__ import annotations

import hashlib
import logging
from dataclasses import dataclass, field
from typing import Any

from pipelines.config.secrets import secret_file
from pipelines.config.settings import Settings
from pipelines.errors import ConfigError
from pipelines.ledger.outbox import Alert

TIMEOUT = 20
# Apprise tells every address it posts to at lower levels, and an address may hold a token.
_LOG = logging.getLogger("apprise")


@dataclass(frozen=True)
class Channel:
    """One URL. Its `mark` stands for it in the ledger; the URL itself never leaves this object."""

    line: int
    kind: str
    mark: str
    _url: str = field(repr=False)

    def send(self, alert: Alert) -> bool:
        """Whether the channel has taken `alert`; why not is in Apprise's own warning."""
        apprise = _apprise(self._url)
        if apprise is None:
            return False
        body = f"{alert.body}\n\n{alert.link}" if alert.link else alert.body
        return bool(
            apprise.notify(
                title=alert.title, body=body, notify_type=alert.severity, body_format="text", timeout=TIMEOUT
            )
        )


def read(settings: Settings, secret: str) -> tuple[Channel, ...]:
    """The channels in the secret file named `secret`; blank lines and those that begin with # are left out.

    Raises:
        ConfigError: there is no such file, or a line is no URL that Apprise knows. Its text is never shown.
    """
    path = secret_file(settings, secret)
    if path is None:
        raise ConfigError(
            "is not there", where=f"secret {secret}", remedy="put it into the folder EVERGREEN_SECRETS, one URL a line"
        )
    try:
        lines = path.read_text(encoding="utf-8").splitlines()
    except (OSError, ValueError) as error:
        raise ConfigError(f"cannot be read: {type(error).__name__}", where=str(path), remedy="see its owner") from None
    found = [_channel(number, line.strip(), str(path)) for number, line in enumerate(lines, start=1) if _meant(line)]
    return tuple({channel.mark: channel for channel in found}.values())


def _meant(line: str) -> bool:
    return bool(line.strip()) and not line.lstrip().startswith("#")


def _channel(number: int, url: str, where: str) -> Channel:
    if _apprise(url) is None:
        raise ConfigError(
            "is no URL that alerts can go to",
            where=f"{where} line {number}",
            remedy="see github.com/caronc/apprise, Productivity Based Notifications",
        )
    return Channel(number, url.partition(":")[0].lower(), hashlib.sha256(url.encode()).hexdigest()[:12], url)


def _apprise(url: str) -> Any:
    """An Apprise that knows this one URL; None where it cannot be used."""
    import apprise

    if _LOG.level == logging.NOTSET:
        _LOG.setLevel(logging.WARNING)
    # Nothing is kept on disk, no redirect takes a token elsewhere, and text is sent as it is.
    asset = apprise.AppriseAsset(
        app_id="Evergreen",
        app_desc="Evergreen",
        async_mode=False,
        storage_mode=apprise.PersistentStoreMode.MEMORY,
        http_redirects=False,
        interpret_escapes=False,
        interpret_emojis=False,
    )
    service = apprise.Apprise(asset=asset)
    return service if "://" in url and service.add(url) else None

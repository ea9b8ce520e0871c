"""Asks an HTTP server one short question: no redirects, bounded in time and length."""

from __future__ import annotations

import base64
import http.client
import ssl
import urllib.error
import urllib.request
from dataclasses import dataclass
from email.message import Message
from email.utils import parsedate_to_datetime
from typing import Any

from pipelines.doctor.base import public
from pipelines.errors import ConfigError, PassingFault

SECONDS = 4.0
_BYTES = 1 << 16


@dataclass(frozen=True)
class Answer:
    """Any answer, refusals too. `sent` is the server's time in epoch seconds, where it tells."""

    status: int
    body: bytes
    sent: float | None

    @property
    def text(self) -> str:
        """The body on one line."""
        return " ".join(self.body.decode("utf-8", "replace").split())


def ask(url: str, login: tuple[str, str] | None = None) -> Answer:
    """What the server answers to a GET of `url`.

    Raises:
        ConfigError: the address is none, or its certificate is not trusted.
        PassingFault: there is no answer.
    """
    where = public(url)
    try:
        request = urllib.request.Request(url)  # noqa: S310 - http(s), see `_opener`
        if login is not None:
            token = base64.b64encode(":".join(login).encode()).decode()
            request.add_header("Authorization", f"Basic {token}")
        with _opener().open(request, timeout=SECONDS) as answer:
            return _read(answer.status, answer, answer.headers)
    except urllib.error.HTTPError as error:
        with error:
            return _read(error.code, error, error.headers)
    except (OSError, http.client.HTTPException) as error:
        reason = getattr(error, "reason", error)
        if isinstance(reason, ssl.SSLCertVerificationError):
            raise ConfigError(
                "its certificate is not trusted", where=where, remedy="let SSL_CERT_FILE name who vouches for it"
            ) from None
        raise PassingFault(f"no answer: {reason}", where=where, remedy="see that it runs and can be reached") from None
    except ValueError as error:
        raise ConfigError(f"is no address: {error}", where=where, remedy="write http://host:port") from None


def _read(status: int, body: Any, headers: Message) -> Answer:
    try:
        date = parsedate_to_datetime(headers.get("Date", "")).timestamp()
    except ValueError:
        date = None
    return Answer(status, body.read(_BYTES), date)


class _Stay(urllib.request.HTTPRedirectHandler):
    """Follows no redirect: a login goes to the server that was named alone."""

    def redirect_request(self, *_: Any) -> None:
        return None


def _opener() -> urllib.request.OpenerDirector:
    opener = urllib.request.OpenerDirector()
    for handler in (
        urllib.request.ProxyHandler(),
        urllib.request.HTTPHandler(),
        urllib.request.HTTPSHandler(),
        urllib.request.HTTPDefaultErrorHandler(),
        urllib.request.HTTPErrorProcessor(),
        urllib.request.UnknownHandler(),
        _Stay(),
    ):
        opener.add_handler(handler)
    return opener

"""Ledgers behind an HTTP server: which those are, and how one is made there."""

from __future__ import annotations

import base64
import http.client
import urllib.error
import urllib.request
from urllib.parse import urlsplit

from pipelines.config.secrets import LEDGER, login
from pipelines.config.settings import Settings
from pipelines.errors import ConfigError, InputError, PassingFault
from pipelines.ledger import answers

TIMEOUT_SECONDS = 60.0
NO_MAKER = frozenset({404, 405, 501})


def is_web(url: str) -> bool:
    """Whether `url` is reached over HTTP.

    Raises:
        ConfigError: it is, and holds a login, which every process of the machine could read.
    """
    if not url.startswith(("http://", "https://")):
        return False
    if "@" in urlsplit(url).netloc:
        raise ConfigError(
            "the address holds a login", where="EVERGREEN_LEDGERS", remedy="move it to the file `ledger` of secrets"
        )
    return True


def create(settings: Settings, url: str) -> None:
    """Have the server make the ledger at `url`; one that is there already stays.

    Raises:
        ConfigError: the login is wrong.
        InputError: the server makes no ledgers.
        PassingFault: it cannot be reached, or cannot do it now.
    """
    try:
        with urllib.request.urlopen(_request(settings, url), timeout=TIMEOUT_SECONDS):  # noqa: S310 - seen by is_web
            return
    except urllib.error.HTTPError as error:
        error.close()
        raise _refused(error.code, url) from None
    except (OSError, http.client.HTTPException) as error:
        reason = getattr(error, "reason", error)
        raise PassingFault(
            f"cannot create the ledger: {reason}", where=url, remedy="see that the server runs and can be reached"
        ) from error


def models(settings: Settings) -> list[str]:
    """The models whose ledgers the server has.

    Raises:
        ConfigError: the login is wrong, or it is no server of ours.
        PassingFault: it cannot be reached.
    """
    url = f"{settings.ledgers.rstrip('/')}/"
    try:
        with urllib.request.urlopen(_request(settings, url, "GET"), timeout=TIMEOUT_SECONDS) as answer:  # noqa: S310
            return [str(name) for name in answer.read().decode().split()]
    except urllib.error.HTTPError as error:
        error.close()
        if error.code in NO_MAKER:
            raise ConfigError("its ledgers cannot be listed", where=url, remedy="name them all by --ledger") from None
        raise _refused(error.code, url) from None
    except (OSError, http.client.HTTPException, UnicodeDecodeError) as error:
        reason = getattr(error, "reason", error)
        raise PassingFault(
            f"cannot list the ledgers: {reason}", where=url, remedy="see that the server runs and can be reached"
        ) from error


def _request(settings: Settings, url: str, method: str = "PUT") -> urllib.request.Request:
    length = {"Content-Length": "0"} if method == "PUT" else {}
    request = urllib.request.Request(url, method=method, headers=length)  # noqa: S310
    found = login(settings, LEDGER)
    if found is not None:
        token = base64.b64encode(":".join(found).encode()).decode()
        # Not redirected: it goes to the server that was named alone.
        request.add_unredirected_header("Authorization", f"Basic {token}")
    return request


def _refused(status: int, url: str) -> Exception:
    if status in (401, 403):
        return answers.bad_login(url)
    if status in NO_MAKER:
        return InputError("the server makes no ledgers", where=url, remedy="use `evergreen serve-ledgers`")
    if status < 500:
        return InputError(f"the server refused to make it ({status})", where=url, remedy="see the server's log")
    return PassingFault(f"cannot create the ledger ({status})", where=url, remedy="see the server's log")

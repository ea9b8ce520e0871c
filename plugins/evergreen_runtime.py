"""What the runtimes share: a job, its outcome, its result file, printable lines; and which runtime is chosen."""

from __future__ import annotations

import json
import socket
from collections.abc import Callable, Iterator, Sequence
from contextlib import closing
from dataclasses import dataclass
from functools import cache
from http import HTTPStatus
from http.client import HTTPConnection, HTTPException, HTTPSConnection
from typing import Any
from urllib.parse import quote, urlsplit

from pipelines.config import settings as configuration
from pipelines.config.resources import Allowance
from pipelines.config.settings import Runtime
from pipelines.errors import MESSAGE_LIMIT, shorten

RESULT_LIMIT = 8192
LINE_LIMIT = 16384
PROBE_SECONDS = 1

Say = Callable[[str], None]


@dataclass(frozen=True)
class Job:
    """One try of one stage: the command without its `--result`, a name that every try has in common, and its limits.

    `deadline` (epoch seconds) is when whatever is left of the job may be removed.
    """

    model: str
    stage: str
    run: str
    argv: Sequence[str]
    name: str
    attempt: int
    deadline: int
    allowance: Allowance


@dataclass(frozen=True)
class Outcome:
    """How a stage ended: exit code (negative: the signal that killed it), the summary it left, what was wrong."""

    code: int
    summary: dict[str, Any] | None
    error: str


def chosen() -> Runtime:
    """The runtime that the settings choose; `auto` is `docker` where the image is named, there, and the engine answers.

    Raises:
        ConfigError: a setting is wrong.
    """
    current = configuration.load()
    if current.runtime is not Runtime.AUTO:
        return current.runtime
    image = current.containers.image
    return Runtime.DOCKER if image and _there(current.containers.engine, image) else Runtime.PROCESS


@cache
def _there(engine: str, image: str) -> bool:
    """Whether the engine has the image; a path without a version is answered by engines old and new."""
    try:
        with closing(_connection(engine)) as connection:
            connection.request("GET", f"/images/{quote(image)}/json")
            return connection.getresponse().status == HTTPStatus.OK
    except (OSError, ValueError, HTTPException):
        return False


def _connection(engine: str) -> HTTPConnection:
    where = urlsplit(engine)
    if where.scheme == "unix":
        return _UnixConnection("/" + engine.removeprefix("unix://").lstrip("/"))
    kind = HTTPSConnection if where.scheme == "https" else HTTPConnection
    return kind(where.hostname or "", where.port or 2375, timeout=PROBE_SECONDS)


class _UnixConnection(HTTPConnection):
    def __init__(self, path: str) -> None:
        super().__init__("localhost", timeout=PROBE_SECONDS)
        self._path = path

    def connect(self) -> None:
        self.sock = socket.socket(socket.AF_UNIX)
        self.sock.settimeout(PROBE_SECONDS)
        self.sock.connect(self._path)


def outcome_of(code: int, data: bytes, last_line: str) -> Outcome:
    """The outcome that result file `data` (empty: there is none) tells, if it belongs to exit code `code`.

    A stage that crashed wrote none, and what lies there may be anything: then the last line is what went wrong.
    """
    error = last_line.removeprefix("evergreen: ")
    try:
        value = json.loads(data) if 0 < len(data) <= RESULT_LIMIT else None
    except (ValueError, RecursionError):
        value = None
    if not isinstance(value, dict) or value.get("exit_code") != code or not isinstance(value.get("summary"), dict):
        return Outcome(code, None, shorten(error, MESSAGE_LIMIT))
    return Outcome(code, value["summary"], shorten(printable(str(value.get("error") or "")), MESSAGE_LIMIT))


def printable(text: str) -> str:
    """`text` on one line without control characters, of at most LINE_LIMIT characters."""
    return "".join(c if c.isprintable() else " " for c in text[:LINE_LIMIT]).rstrip()


class Lines:
    """Cuts a stream of bytes into printable lines; blank ones are dropped."""

    def __init__(self) -> None:
        self._rest = b""

    def feed(self, chunk: bytes) -> Iterator[str]:
        """The lines that `chunk` completes; an empty chunk is the end."""
        *whole, self._rest = (self._rest + chunk).split(b"\n")
        if not chunk or len(self._rest) > LINE_LIMIT:
            whole, self._rest = [*whole, self._rest], b""
        for line in whole:
            text = printable(line[:LINE_LIMIT].decode("utf-8", "replace"))
            if text:
                yield text

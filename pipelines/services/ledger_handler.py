"""One connection to the ledger server: who speaks, what is asked for, and Git's answer."""

from __future__ import annotations

import re
import time
from collections.abc import Callable
from contextlib import suppress
from dataclasses import dataclass
from http import HTTPStatus
from http.server import BaseHTTPRequestHandler
from typing import Any

from pipelines.errors import EvergreenError, shorten
from pipelines.services.ledger_git import Backends
from pipelines.services.ledger_requests import BLOCK, Refused, Target, body, target
from pipelines.services.ledger_root import Root
from pipelines.services.ledger_users import Role, Users

Say = Callable[[str], None]
IDLE_SECONDS = 60.0
DRAIN_SECONDS = 2.0
PASSED_ON = ("Content-Type", "Cache-Control", "Expires", "Pragma")
_PROTOCOL = re.compile(r"[a-z0-9=:]{1,64}\Z", re.ASCII)


@dataclass(frozen=True)
class Served:
    """What all connections share: ledgers, logins, Git's processes, the DVC remote of new ledgers, log and limit."""

    root: Root
    users: Users
    backends: Backends
    dvc_remote: str
    say: Say
    limit: int


class Handler(BaseHTTPRequestHandler):
    """One connection: its requests one after the other."""

    protocol_version = "HTTP/1.1"
    timeout = IDLE_SECONDS
    disable_nagle_algorithm = True
    _status: int = 0
    _user = "-"

    def __init__(self, served: Served, *connection: Any) -> None:
        self._served = served
        super().__init__(*connection)

    def do_GET(self) -> None:
        """A sign of life, or what refs a ledger has."""
        if self.path == "/healthz":
            self._answer(HTTPStatus.OK, "ok", close=True)
        else:
            self._logged()

    def do_POST(self) -> None:
        """A fetch or a push."""
        self._logged()

    def do_PUT(self) -> None:
        """A ledger that is to be made."""
        self._logged()

    def version_string(self) -> str:
        """Who answers; no versions."""
        return "evergreen"

    def send_error(self, code: int, *_: Any, **__: Any) -> None:
        """What http.server itself refuses, without the page that repeats the request."""
        self._answer(HTTPStatus(code), HTTPStatus(code).phrase, close=True)
        self._served.say(f"event=refused client={self.client_address[0]} status={int(code)}")

    def log_message(self, format: str, *args: Any) -> None:
        """Nothing: what http.server would log may hold a password. `_logged` says what is to be said."""

    def _logged(self) -> None:
        began, self._status, self._user, note = time.monotonic(), 0, "-", ""
        try:
            note = self._serve()
        except Refused as refused:
            note = refused.told
            self._refuse(refused)
        except OSError as error:
            # The client is gone, or says nothing any more: there is nobody to answer.
            note, self.close_connection = type(error).__name__, True
        finally:
            where = shorten(ascii(self.path.partition("?")[0])[1:-1].replace(" ", "%20"))
            took = f"ms={(time.monotonic() - began) * 1000:.0f}"
            told = f" note={note!r}" if note else ""
            self._served.say(
                f"method={self.command} path={where} user={self._user} status={self._status or '-'} {took}"
                f" client={self.client_address[0]}{told}"
            )

    def _serve(self) -> str:
        role = self._role()
        self._user = role.value
        if (self.command, self.path) == ("GET", "/"):
            self._answer(HTTPStatus.OK, "\n".join(self._served.root.models()))
            return ""
        asked = target(self.path, self.command)
        if asked.action:
            return self._git(asked, role)
        for _ in body(self.headers, self.rfile, 0):
            pass
        try:
            made = self._served.root.create(asked.model, self._served.dvc_remote)
        except (OSError, EvergreenError) as error:
            raise Refused(HTTPStatus.SERVICE_UNAVAILABLE, f"cannot make it: {shorten(str(error), 120)}") from error
        self._answer(HTTPStatus.CREATED if made else HTTPStatus.OK, "made" if made else "is there")
        return ""

    def _role(self) -> Role:
        try:
            role = self._served.users.role_of(self.headers.get("Authorization"))
        except EvergreenError as error:
            raise Refused(HTTPStatus.SERVICE_UNAVAILABLE, error.line()) from error
        if role is None:
            raise Refused(HTTPStatus.UNAUTHORIZED, "no such login")
        return role

    def _git(self, asked: Target, role: Role) -> str:
        if self.request_version != "HTTP/1.1":
            raise Refused(HTTPStatus.HTTP_VERSION_NOT_SUPPORTED, "speak HTTP/1.1")
        if not self._served.root.has(asked.model):
            raise Refused(HTTPStatus.NOT_FOUND, "no such ledger")
        blocks = body(self.headers, self.rfile, self._served.limit if self.command == "POST" else 0)
        with self._served.backends.started(asked, role, self._cgi()) as backend:
            for block in blocks:
                backend.feed(block)
            status, headers = backend.head()
            self._begin(status, {name: headers[name] for name in PASSED_ON if headers[name]})
            for block in backend.blocks():
                self.wfile.write(b"%x\r\n%b\r\n" % (len(block), block))
            self.wfile.write(b"0\r\n\r\n")
            return backend.said()

    def _cgi(self) -> dict[str, str]:
        """What the CGI program is told about the request; nothing else of it, and no login, reaches a process."""
        told = {"REQUEST_METHOD": self.command, "REMOTE_ADDR": self.client_address[0]}
        for name, variable in (("Content-Type", "CONTENT_TYPE"), ("Content-Length", "CONTENT_LENGTH")):
            if name in self.headers:
                told[variable] = self.headers[name]
        if self.headers.get("Content-Encoding") in ("gzip", "x-gzip"):
            told["HTTP_CONTENT_ENCODING"] = "gzip"
        if _PROTOCOL.match(self.headers.get("Git-Protocol", "")):
            told["GIT_PROTOCOL"] = self.headers["Git-Protocol"]
        return told

    def _begin(self, status: HTTPStatus, headers: dict[str, str]) -> None:
        self._status = int(status)
        self.send_response(status)
        for name, value in headers.items():
            self.send_header(name, value)
        self.send_header("Transfer-Encoding", "chunked")
        self.end_headers()

    def _refuse(self, refused: Refused) -> None:
        if self._status:  # the answer has begun: cutting it off is the only way left to say that it is not whole
            self.close_connection = True
            return
        unread = "Transfer-Encoding" in self.headers or self.headers.get("Content-Length", "0") != "0"
        self._answer(refused.status, refused.told, close=unread)
        if unread:
            self._drain()

    def _drain(self) -> None:
        """Let the client send on for a moment: closed at once, the connection would lose it our answer."""
        self.connection.settimeout(DRAIN_SECONDS)
        deadline = time.monotonic() + DRAIN_SECONDS
        with suppress(OSError):
            while time.monotonic() < deadline and self.rfile.read1(BLOCK):
                pass

    def _answer(self, status: HTTPStatus, text: str, *, close: bool = False) -> None:
        self._status = int(status)
        content = f"{text}\n".encode()
        self.send_response(status)
        if status == HTTPStatus.UNAUTHORIZED:
            self.send_header("WWW-Authenticate", 'Basic realm="evergreen", charset="UTF-8"')
        self.send_header("Content-Type", "text/plain; charset=utf-8")
        self.send_header("Content-Length", str(len(content)))
        if close:
            self.send_header("Connection", "close")
        self.end_headers()
        self.wfile.write(content)

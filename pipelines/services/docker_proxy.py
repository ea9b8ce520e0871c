"""Passes on to Docker what the container task asks for, and refuses everything else.

Who may speak to Docker owns the machine. Airflow speaks to this proxy instead: it can make hardened task containers of
one image, look at them and end them, and nothing besides.
"""

from __future__ import annotations

import json
import signal
import sys
import threading
from collections.abc import Callable
from functools import partial
from http import HTTPStatus
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from socketserver import TCPServer
from typing import Any

from pipelines.config.settings import Settings
from pipelines.errors import ConfigError, PassingFault, shorten
from pipelines.services import docker_body, docker_create
from pipelines.services.docker_policy import Asked, understand
from pipelines.services.docker_refusal import Refused
from pipelines.services.docker_upstream import Engine, relay, request

Say = Callable[[str], None]
REQUEST_SECONDS = 15.0
CONNECTIONS = 256


class Proxy(ThreadingHTTPServer):
    """Listens at `address`; each connection has a thread and carries one request."""

    daemon_threads = True
    request_queue_size = 128

    def __init__(self, address: tuple[str, int], settings: Settings, say: Say) -> None:
        self.say, self._room = say, threading.BoundedSemaphore(CONNECTIONS)
        super().__init__(address, partial(_Handler, settings, Engine(settings.containers.engine), say))

    def server_bind(self) -> None:
        """Bind, without asking the name service who we are: where none answers, that takes seconds."""
        TCPServer.server_bind(self)

    def process_request(self, request: Any, client_address: Any) -> None:
        """Start a thread for a connection; close it where there are too many."""
        if not self._room.acquire(blocking=False):
            self.say(f"event=full connections={CONNECTIONS}")
            self.shutdown_request(request)
            return
        super().process_request(request, client_address)

    def process_request_thread(self, request: Any, client_address: Any) -> None:
        """See the base class."""
        try:
            super().process_request_thread(request, client_address)
        finally:
            self._room.release()

    def handle_error(self, request: Any, client_address: Any) -> None:  # noqa: ARG002 - as the base calls it
        """Say on one line what no handler expected; a client that went away is nothing to speak of."""
        error = sys.exc_info()[1]
        if not isinstance(error, ConnectionError):
            self.say(f"event=broken client={client_address[0]} error={shorten(repr(error), 160)}")


class _Handler(BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"
    timeout = REQUEST_SECONDS

    def __init__(self, settings: Settings, engine: Engine, say: Say, *arguments: Any) -> None:
        self.settings, self.engine, self.say = settings, engine, say
        super().__init__(*arguments)

    def _serve(self) -> None:
        self.close_connection = True
        said = f"{self.command} {self.path}"
        try:
            body = self._body(said)
            asked = understand(self.command, self.path, self.settings.containers.image or "")
            sent = self._approved(asked, body) if asked.creates else b""
            identity = self.engine.task(asked.container, said) if asked.container else ""
            docker = self.engine.connect()
        except Refused as refused:
            # A container that is not there is an answer like any other.
            if refused.status != HTTPStatus.NOT_FOUND:
                self.say(f"event=refused status={refused.status} reason={refused}")
            self._answer(refused.status, str(refused))
            return
        except OSError as error:
            self.say(f"event=unreachable error={shorten(repr(error), 160)}")
            self._answer(HTTPStatus.BAD_GATEWAY, f"evergreen: Docker does not answer: {shorten(str(error), 160)}")
            return
        with docker:
            docker.settimeout(None)
            docker.sendall(request(self.command, asked.target(identity), sent))
            self.connection.settimeout(None)
            relay(self.connection, docker)

    do_GET = do_HEAD = do_POST = do_DELETE = do_PUT = do_PATCH = do_OPTIONS = do_CONNECT = _serve

    def _approved(self, asked: Asked, body: bytes) -> bytes:
        made = docker_create.approved(docker_body.read(body), self.settings)
        self.say(f"event=create {asked.query} stage={' '.join(made['Cmd'][1:4])}")
        return json.dumps(made).encode()

    def _body(self, said: str) -> bytes:
        """The request's body, to its end and at most as long as a task's.

        Raises:
            Refused: it is longer, its length is told in two ways, or the client wants to speak something else.
        """
        if self.headers.get("Upgrade") or "upgrade" in self.headers.get("Connection", "").lower():
            raise Refused(said, "a connection to a container's streams is for no task")
        lengths, codings = self.headers.get_all("Content-Length", []), self.headers.get_all("Transfer-Encoding", [])
        if codings:
            if lengths or codings != ["chunked"]:
                raise Refused(said, "the length of its body is not clear", HTTPStatus.BAD_REQUEST)
            return self._chunked(said)
        if len(lengths) > 1 or not all(text.isascii() and text.isdigit() and len(text) < 10 for text in lengths):
            raise Refused(said, "the length of its body is not clear", HTTPStatus.BAD_REQUEST)
        return self._read(int(lengths[0]) if lengths else 0, said)

    def _chunked(self, said: str) -> bytes:
        body = b""
        while True:
            head = self.rfile.readline(100).split(b";")[0].strip()
            if not head or head.strip(b"0123456789abcdefABCDEF"):
                raise Refused(said, "its body is not chunked as it says", HTTPStatus.BAD_REQUEST)
            size = int(head, 16)
            if size == 0:
                break
            if len(body) + size > docker_body.LIMIT:
                raise Refused(said, "its body is too long", HTTPStatus.REQUEST_ENTITY_TOO_LARGE)
            body += self._read(size, said)
            self.rfile.readline(100)
        while self.rfile.readline(8192).strip():
            continue  # trailers
        return body

    def _read(self, size: int, said: str) -> bytes:
        if size > docker_body.LIMIT:
            raise Refused(said, "its body is too long", HTTPStatus.REQUEST_ENTITY_TOO_LARGE)
        data = self.rfile.read(size)
        if len(data) < size:
            raise Refused(said, "its body ends early", HTTPStatus.BAD_REQUEST)
        return data

    def _answer(self, status: int, message: str) -> None:
        body = json.dumps({"message": message}).encode() + b"\n"
        self.send_response_only(status)
        self.send_header("Content-Type", "application/json")
        self.send_header("Content-Length", str(len(body)))
        self.send_header("Connection", "close")
        self.end_headers()
        if self.command != "HEAD":
            self.wfile.write(body)

    def send_error(self, code: int, message: str | None = None, explain: str | None = None) -> None:  # noqa: ARG002
        """What the base class refuses (an unknown method, a head that is too long) is said in Docker's words too."""
        self.command = getattr(self, "command", None) or "GET"
        self.close_connection = True
        self._answer(code, f"evergreen: refused: {shorten(message or HTTPStatus(code).phrase, 150)}")

    def log_message(self, format: str, *args: Any) -> None:
        """Say nothing of what is passed on: every poll would be a line."""


def serve(host: str, port: int, settings: Settings, say: Say) -> None:
    """Serve until SIGTERM or SIGINT. `settings` name Docker's address and what container tasks have.

    Raises:
        ConfigError: no task image is named.
        PassingFault: the address is taken.
    """
    containers = settings.containers
    if not containers.image:
        raise ConfigError("no image is named", where="EVERGREEN_TASK_IMAGE", remedy="name the image of task containers")
    try:
        proxy = Proxy((host, port), settings, say)
    except OSError as error:
        raise PassingFault(f"cannot listen: {error}", where=f"{host}:{port}", remedy="free the port") from error
    with proxy:
        # shutdown() waits for serve_forever(), which this thread is in.
        for number in (signal.SIGTERM, signal.SIGINT):
            signal.signal(number, lambda *_: threading.Thread(target=proxy.shutdown, daemon=True).start())
        say(f"event=listening address={host}:{proxy.server_address[1]} image={containers.image}")
        proxy.serve_forever(poll_interval=0.2)
        say("event=stopped")

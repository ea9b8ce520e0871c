"""The proxy's side towards Docker: one connection a request, closed by Docker when its answer has ended."""

from __future__ import annotations

import contextlib
import http.client
import json
import select
import socket
from http import HTTPStatus
from urllib.parse import urlsplit

from pipelines.errors import ConfigError
from pipelines.services.docker_policy import LABEL
from pipelines.services.docker_refusal import Refused

CHUNK = 64 << 10
CONNECT_SECONDS = 5.0
INSPECT_SECONDS = 30.0
INSPECT_LIMIT = 4 << 20


class Engine:
    """Docker at `unix:///path` or `tcp://host:port`.

    Raises:
        ConfigError: the address is of another kind.
    """

    def __init__(self, address: str) -> None:
        parts = urlsplit(address)
        self._unix = parts.path if parts.scheme == "unix" else ""
        self._tcp = (parts.hostname or "", parts.port or 2375) if parts.scheme == "tcp" else ("", 0)
        if not self._unix and not self._tcp[0]:
            raise ConfigError(
                f"{address!r} is no address of Docker", where="EVERGREEN_DOCKER_HOST", remedy="unix:///path"
            )

    def connect(self) -> socket.socket:
        """A fresh connection; raises OSError."""
        if self._unix:
            connection = socket.socket(socket.AF_UNIX, socket.SOCK_STREAM)
            connection.settimeout(CONNECT_SECONDS)
            try:
                connection.connect(self._unix)
            except OSError:
                connection.close()
                raise
        else:
            connection = socket.create_connection(self._tcp, CONNECT_SECONDS)
        return connection

    def task(self, reference: str, said: str) -> str:
        """The full id of the container that `reference` names.

        Raises:
            Refused: it is no task's, or there is none.
            OSError: Docker does not answer.
        """
        with self.connect() as connection:
            connection.settimeout(INSPECT_SECONDS)
            connection.sendall(request("GET", f"/containers/{reference}/json", b""))
            answer = http.client.HTTPResponse(connection, method="GET")
            try:
                answer.begin()
                text = answer.read(INSPECT_LIMIT)
            except http.client.HTTPException as error:
                raise OSError(f"Docker's answer cannot be read: {error!r}") from error
            finally:
                answer.close()
        if answer.status == HTTPStatus.NOT_FOUND:
            raise Refused(said, f"No such container: {reference}", HTTPStatus.NOT_FOUND)
        if answer.status != HTTPStatus.OK:
            raise OSError(f"Docker answered {answer.status} when asked for {reference}")
        found = json.loads(text)
        if (found["Config"].get("Labels") or {}).get(LABEL) != "1":
            raise Refused(said, "the container is no task's")
        return str(found["Id"])


def request(method: str, target: str, body: bytes) -> bytes:
    """A whole request, after which Docker shall close the connection. A `body` is JSON."""
    lines = [f"{method} {target} HTTP/1.1", "Host: docker", "Connection: close", f"Content-Length: {len(body)}"]
    lines += ["Content-Type: application/json"] if body else []
    return "\r\n".join([*lines, "", ""]).encode("ascii") + body


def relay(client: socket.socket, docker: socket.socket) -> None:
    """Pass Docker's answer on as it comes, however long that takes; and the client's end, which ends a long answer."""
    watched, head = [docker, client], b""
    while True:
        ready, _, _ = select.select(watched, [], [])
        if docker in ready:
            chunk = docker.recv(CHUNK)
            if not chunk:
                return
            if b"\r\n\r\n" in head:
                client.sendall(chunk)
            else:
                head += chunk
                client.sendall(_last(head))
        if client in ready and not client.recv(CHUNK):
            watched.remove(client)
            with contextlib.suppress(OSError):  # it has just ended by itself
                docker.shutdown(socket.SHUT_WR)


def _last(answer: bytes) -> bytes:
    """The beginning of an answer, saying that the connection ends with it; empty while its head is not complete."""
    head, end, rest = answer.partition(b"\r\n\r\n")
    if not end:
        return b""
    lines = [line for line in head.split(b"\r\n") if not line.lower().startswith((b"connection:", b"keep-alive:"))]
    return b"\r\n".join([*lines, b"Connection: close", b"", b""]) + rest

from __future__ import annotations

import json
import os
import socket
import subprocess
import sys
import threading
import time
from collections.abc import Iterator
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler
from pathlib import Path
from socketserver import ThreadingUnixStreamServer
from typing import Any

import docker
import docker_bodies
import pytest
from docker.errors import APIError, NotFound
from docker_bodies import IMAGE

from pipelines.errors import ConfigError, PassingFault
from pipelines.services import docker_proxy
from pipelines.services.docker_proxy import Proxy

TASK, OTHER = "a" * 64, "b" * 64
CONTAINERS = {
    TASK: {"Id": TASK, "Config": {"Labels": {"evergreen.task": "1"}}, "State": {"Running": True}},
    OTHER: {"Id": OTHER, "Config": {"Labels": {"com.docker.compose.service": "postgres"}}},
    "c" * 64: {"Id": "c" * 64, "Config": {"Labels": None}},
}
NAMES = {"evergreen-x": TASK, "postgres": OTHER, "plain": "c" * 64}


class Upstream(BaseHTTPRequestHandler):
    """As much of Docker as the proxy speaks to; `seen` keeps each request and its body."""

    protocol_version = "HTTP/1.1"
    seen: list[tuple[str, str, bytes]]
    gone: threading.Event
    release: threading.Event

    def _answer(self) -> None:
        body = self.rfile.read(int(self.headers.get("Content-Length", 0)))
        self.seen.append((self.command, self.path, body))
        path = self.path.partition("?")[0].removeprefix("/v1.41")
        parts = path.split("/")
        if path == "/version":
            self._json(200, {"ApiVersion": "1.41"})
        elif path == "/containers/create":
            self._json(201, {"Id": TASK, "Warnings": []})
        elif path == "/containers/json":
            self._json(200, [])
        elif parts[1] == "containers" and parts[-1] == "json":
            found = CONTAINERS.get(NAMES.get(parts[2], parts[2]))
            self._json(200, found) if found else self._json(404, {"message": "none"})
        elif parts[-1] == "logs":
            self._stream()
        elif parts[-1] == "wait":
            self._wait()
        else:
            self._json(200, {})

    do_GET = do_POST = do_DELETE = do_HEAD = _answer

    def _json(self, status: int, value: Any) -> None:
        data = json.dumps(value).encode()
        self.send_response(status)
        self.send_header("Content-Length", str(len(data)))
        self.end_headers()
        self.wfile.write(data)

    def _stream(self) -> None:
        self.send_response(200)
        self.send_header("Transfer-Encoding", "chunked")
        self.end_headers()
        self.wfile.write(b"6\r\nfirst\n\r\n")
        self.release.wait(10)
        self.wfile.write(b"5\r\nlast\n\r\n0\r\n\r\n")

    def _wait(self) -> None:
        # As Docker does: an end of the client's side is the end of its interest.
        assert self.connection.recv(1) == b""
        self.gone.set()

    def address_string(self) -> str:
        return "unix"

    def log_message(self, *args: Any) -> None:  # noqa: ARG002 - silent
        return


class Server(ThreadingUnixStreamServer):
    daemon_threads = True


@dataclass
class Both:
    """The proxy, and the Docker behind it."""

    proxy: Proxy
    engine: type[Upstream]
    said: list[str] = field(default_factory=list)

    @property
    def port(self) -> int:
        return int(self.proxy.server_address[1])

    def client(self) -> docker.APIClient:
        return docker.APIClient(base_url=f"tcp://127.0.0.1:{self.port}", version="1.41", timeout=10)

    def raw(self, data: bytes) -> bytes:
        with socket.create_connection(("127.0.0.1", self.port), 10) as connection:
            connection.sendall(data)
            return b"".join(iter(lambda: connection.recv(65536), b""))

    def targets(self) -> list[str]:
        return [f"{method} {path}" for method, path, _ in self.engine.seen]


@pytest.fixture
def both(tmp_path: Path) -> Iterator[Both]:
    fresh = {"seen": [], "gone": threading.Event(), "release": threading.Event()}
    engine: type[Upstream] = type("Fresh", (Upstream,), fresh)
    said: list[str] = []
    with Server(str(tmp_path / "s"), engine) as server:
        proxy = Proxy(("127.0.0.1", 0), docker_bodies.settings(f"unix://{tmp_path / 's'}"), said.append)
        with proxy:
            for each in (server, proxy):
                threading.Thread(target=each.serve_forever, args=(0.05,), daemon=True).start()
            yield Both(proxy, engine, said)
            engine.release.set()
            for each in (proxy, server):
                each.shutdown()


def test_dockers_own_library_works_through_it(both: Both) -> None:
    client = both.client()
    assert client.version()["ApiVersion"] == "1.41"
    body = docker_bodies.genuine(docker_bodies.settings())
    assert client.create_container_from_config(body, "evergreen-x")["Id"] == TASK
    client.start("evergreen-x")
    client.stop("evergreen-x", timeout=2)
    client.remove_container("evergreen-x", force=True)
    assert client.containers(all=True) == []
    client.close()
    asked = both.targets()
    assert f"POST /v1.41/containers/{TASK}/start" in asked
    assert f"POST /v1.41/containers/{TASK}/stop?t=2" in asked
    assert f"DELETE /v1.41/containers/{TASK}?v=False&link=False&force=True" in asked
    assert "evergreen.task%3D1" in asked[-1]


@pytest.mark.parametrize("name", ["postgres", "plain", OTHER])
def test_a_container_that_is_no_tasks_cannot_be_touched(both: Both, name: str) -> None:
    client = both.client()
    with pytest.raises(APIError, match="no task's") as refused:
        client.kill(name)
    assert refused.value.status_code == 403
    client.close()
    assert not any("kill" in target for target in both.targets())
    assert "event=refused" in both.said[-1]


def test_a_container_that_is_not_there_is_docker_s_not_found(both: Both) -> None:
    client = both.client()
    with pytest.raises(NotFound):
        client.inspect_container("evergreen-none")
    client.close()


def test_a_hostile_create_never_reaches_docker(both: Both) -> None:
    client = both.client()
    body = docker_bodies.changed(docker_bodies.genuine(docker_bodies.settings()), "HostConfig/Privileged", True)
    with pytest.raises(APIError, match="Privileged") as refused:
        client.create_container_from_config(body, "evergreen-x")
    assert refused.value.status_code == 403
    client.close()
    assert both.engine.seen == []


def test_a_log_comes_as_it_is_written(both: Both) -> None:
    with socket.create_connection(("127.0.0.1", both.port), 10) as connection:
        connection.sendall(b"GET /containers/evergreen-x/logs?follow=1&stdout=1 HTTP/1.1\r\nHost: x\r\n\r\n")
        got = b""
        while b"first" not in got:
            got += connection.recv(65536)
        assert b"last" not in got
        both.engine.release.set()
        while chunk := connection.recv(65536):
            got += chunk
    assert got.endswith(b"5\r\nlast\n\r\n0\r\n\r\n")


def test_a_client_that_leaves_ends_its_question(both: Both) -> None:
    with socket.create_connection(("127.0.0.1", both.port), 10) as connection:
        connection.sendall(b"POST /containers/evergreen-x/wait HTTP/1.1\r\nHost: x\r\nContent-Length: 0\r\n\r\n")
        time.sleep(0.2)
        assert not both.engine.gone.is_set()
        connection.shutdown(socket.SHUT_WR)
        assert both.engine.gone.wait(10)
        assert connection.recv(1) == b""


def test_a_chunked_body_is_read_and_judged(both: Both) -> None:
    body = json.dumps(docker_bodies.genuine(docker_bodies.settings())).encode()
    half = len(body) // 2
    chunks = b"".join(b"%x;x=y\r\n%s\r\n" % (len(part), part) for part in (body[:half], body[half:]))
    head = b"POST /containers/create?name=evergreen-x HTTP/1.1\r\nHost: x\r\nTransfer-Encoding: chunked\r\n\r\n"
    assert b" 201 " in both.raw(head + chunks + b"0\r\nTrailer: x\r\n\r\n")
    (_, _, sent) = both.engine.seen[0]
    assert json.loads(sent)["Image"] == IMAGE


@pytest.mark.parametrize(
    ("head", "status"),
    [
        (b"POST /containers/create HTTP/1.1\r\nContent-Length: 2\r\nContent-Length: 3\r\n\r\n{}", 400),
        (b"POST /containers/create HTTP/1.1\r\nContent-Length: +2\r\n\r\n{}", 400),
        (b"POST /containers/create HTTP/1.1\r\nContent-Length: 2\r\nTransfer-Encoding: chunked\r\n\r\n0\r\n\r\n", 400),
        (b"POST /containers/create HTTP/1.1\r\nTransfer-Encoding: gzip, chunked\r\n\r\n0\r\n\r\n", 400),
        (b"POST /containers/create HTTP/1.1\r\nTransfer-Encoding: chunked\r\n\r\nzz\r\n", 400),
        (b"POST /containers/create HTTP/1.1\r\nTransfer-Encoding: chunked\r\n\r\n\r\n", 400),
        (b"POST /containers/create HTTP/1.1\r\nTransfer-Encoding: chunked\r\n\r\nfffffff\r\n", 413),
        (b"POST /containers/create HTTP/1.1\r\nContent-Length: 999999\r\n\r\n", 413),
        (b"GET /_ping HTTP/1.1\r\nConnection: Upgrade\r\nUpgrade: tcp\r\n\r\n", 403),
        (b"GET /info HTTP/1.1\r\n\r\n", 403),
        (b"PROPFIND /_ping HTTP/1.1\r\n\r\n", 501),
        (b"GET /" + b"a" * 70_000 + b" HTTP/1.1\r\n\r\n", 414),
        (b"GET /_ping HTTP/1.1\r\n" + b"A: b\r\n" * 200 + b"\r\n", 431),
    ],
)
def test_a_request_that_is_unclear_is_refused_in_docker_s_words(both: Both, head: bytes, status: int) -> None:
    top, _, body = both.raw(head).partition(b"\r\n\r\n")
    assert top.startswith(b"HTTP/1.1 %d" % status)
    assert json.loads(body)["message"].startswith("evergreen: ")
    assert both.engine.seen == []


def test_nothing_after_a_request_is_passed_on(both: Both) -> None:
    both.raw(b"GET /version HTTP/1.1\r\nHost: x\r\n\r\nGET /info HTTP/1.1\r\nHost: x\r\n\r\n")
    assert both.targets() == ["GET /version"]


def test_the_body_of_anything_but_a_create_is_dropped(both: Both) -> None:
    body = b'{"HostConfig": {"Privileged": true}}'
    head = b"POST /containers/evergreen-x/start HTTP/1.1\r\nHost: x\r\nContent-Length: %d\r\n\r\n" % len(body)
    assert b" 200 " in both.raw(head + body)
    assert both.engine.seen[-1] == ("POST", f"/containers/{TASK}/start", b"")


def test_docker_that_is_away_is_a_bad_gateway(tmp_path: Path) -> None:
    said: list[str] = []
    with Proxy(("127.0.0.1", 0), docker_bodies.settings(f"unix://{tmp_path / 'none'}"), said.append) as proxy:
        threading.Thread(target=proxy.serve_forever, args=(0.05,), daemon=True).start()
        both = Both(proxy, Upstream)
        answer = both.raw(b"GET /_ping HTTP/1.1\r\nHost: x\r\n\r\n")
        proxy.shutdown()
    assert answer.startswith(b"HTTP/1.1 502")
    assert b"does not answer" in answer
    assert "event=unreachable" in said[0]


def test_it_will_not_start_without_an_image_or_its_port() -> None:
    with pytest.raises(ConfigError, match="EVERGREEN_TASK_IMAGE"):
        docker_proxy.serve("127.0.0.1", 0, docker_bodies.settings(image=""), print)
    with pytest.raises(ConfigError, match="no address"):
        Proxy(("127.0.0.1", 0), docker_bodies.settings("ssh://host"), print)
    with socket.create_server(("127.0.0.1", 0)) as taken, pytest.raises(PassingFault, match="cannot listen"):
        docker_proxy.serve("127.0.0.1", taken.getsockname()[1], docker_bodies.settings(), print)


def test_the_command_serves_until_it_is_told_to_stop(tmp_path: Path) -> None:
    with socket.create_server(("127.0.0.1", 0)) as probe:
        port = probe.getsockname()[1]
    command = [str(Path(sys.executable).with_name("evergreen")), "serve-docker-proxy", "--port", str(port)]
    env = {"PATH": os.environ["PATH"], "EVERGREEN_TASK_IMAGE": IMAGE, "EVERGREEN_DOCKER_HOST": f"unix://{tmp_path}/no"}
    with subprocess.Popen(command, env=env, stderr=subprocess.PIPE, text=True) as child:
        assert child.stderr is not None
        assert "event=listening" in child.stderr.readline()
        child.terminate()
        assert child.wait(10) == 0
        assert "event=stopped" in child.stderr.read()

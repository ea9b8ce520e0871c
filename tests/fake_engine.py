"""Stands in for Docker's engine where the real one cannot fail on demand: a server on a Unix socket."""

from __future__ import annotations

import io
import json
import socketserver
import struct
import tarfile
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from http.server import BaseHTTPRequestHandler
from pathlib import Path
from typing import Any

Answer = tuple[int, Any]


class FakeEngine:
    """Answers by `answers`: (method, end of the path) to a function of the path; what is asked is kept in `asked`."""

    def __init__(self, path: Path) -> None:
        self.url = f"unix://{path}"
        self.asked: list[str] = []
        self.answers: dict[tuple[str, str], Callable[[str], Answer]] = {
            ("GET", "/version"): lambda _: (200, {"ApiVersion": "1.41", "MinAPIVersion": "1.12"}),
            ("GET", "/evergreen-tasks:local/json"): lambda _: (200, {"Id": "sha256:abc"}),
        }
        self._path = path

    def on(self, method: str, end: str, *answers: Answer | Callable[[], Answer]) -> None:
        """Answer so, each in its turn and the last for ever."""
        waiting = list(answers)

        def answer(_: str) -> Answer:
            found = waiting.pop(0) if len(waiting) > 1 else waiting[0]
            return found() if callable(found) else found

        self.answers[method, end] = answer

    def answer(self, method: str, path: str) -> Answer:
        """What to say to this request."""
        plain = path.partition("?")[0]
        self.asked.append(f"{method} {plain.removeprefix('/v1.41')}")
        for (wanted, end), answer in self.answers.items():
            if wanted == method and plain.endswith(end):
                return answer(path)
        return 404, {"message": "No such container"}

    @contextmanager
    def running(self) -> Iterator[FakeEngine]:
        """The engine answers within the block."""
        engine = self

        class Handler(BaseHTTPRequestHandler):
            def do_GET(self) -> None:
                length = int(self.headers.get("Content-Length") or 0)
                self.rfile.read(length)
                code, value = engine.answer(self.command, self.path)
                if code == 0:  # the connection breaks
                    self.close_connection = True
                    return
                headers = {}
                if isinstance(value, tuple):
                    value, headers = value
                data = value if isinstance(value, bytes) else json.dumps(value).encode()
                self.send_response(code)
                for name, text in headers.items():
                    self.send_header(name, text)
                self.send_header("Content-Length", str(len(data)))
                self.end_headers()
                if code != 204:
                    self.wfile.write(data)

            do_POST = do_DELETE = do_GET

            def log_message(self, *_: Any) -> None:
                """Say nothing."""

            def address_string(self) -> str:
                return "local"

        class Server(socketserver.ThreadingUnixStreamServer):
            daemon_threads = True

        with Server(str(self._path), Handler) as server:
            thread = threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.05})
            thread.start()
            try:
                yield self
            finally:
                server.shutdown()
                thread.join()
        self._path.unlink()


def state(status: str, code: int = 0, *, labels: dict[str, str] | None = None, oom: bool = False) -> Answer:
    """What inspecting a container says."""
    found = {"Status": status, "Running": status == "running", "ExitCode": code, "OOMKilled": oom}
    return 200, {
        "Id": "c0ffee",
        "Name": "/evergreen-tiny-train-0",
        "State": found,
        "Config": {"Labels": labels or {}, "Tty": False},
    }


def log(*lines: str) -> Answer:
    """A log as the engine frames it."""
    frames = b"".join(struct.pack(">BxxxL", 1, len(line) + 1) + line.encode() + b"\n" for line in lines)
    return 200, frames


def archive(content: bytes, kind: bytes = tarfile.REGTYPE, copies: int = 1) -> Answer:
    """The answer to a request for a file."""
    packed = io.BytesIO()
    with tarfile.open(fileobj=packed, mode="w") as tar:
        for number in range(copies):
            member = tarfile.TarInfo(f"result{number}.json")
            member.type, member.size, member.linkname = kind, len(content), "/etc/passwd"
            tar.addfile(member, io.BytesIO(content))
    stat = "eyJuYW1lIjoiciIsInNpemUiOjF9"  # {"name":"r","size":1}
    return 200, (packed.getvalue(), {"X-Docker-Container-Path-Stat": stat, "Content-Type": "application/x-tar"})

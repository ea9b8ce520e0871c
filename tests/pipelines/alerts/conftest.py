"""A channel that people could read: a web server that takes alerts, or is told to refuse them."""

from __future__ import annotations

import json
import threading
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field, replace
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any

import pytest

from pipelines.config.settings import Settings


@dataclass
class Inbox:
    """What arrived at the server; `status` is what it answers."""

    port: int = 0
    status: int = 200
    got: list[dict[str, Any]] = field(default_factory=list)

    def url(self, name: str = "a") -> str:
        return f"json://user:canary@127.0.0.1:{self.port}/{name}"


@pytest.fixture
def inbox() -> Iterator[Inbox]:
    inbox = Inbox()

    class Handler(BaseHTTPRequestHandler):
        def do_POST(self) -> None:
            body = self.rfile.read(int(self.headers["Content-Length"]))
            if inbox.status == 200:
                inbox.got.append(json.loads(body) | {"path": self.path})
            self.send_response(inbox.status)
            self.end_headers()

        def log_message(self, *_: Any) -> None:
            pass

    with ThreadingHTTPServer(("127.0.0.1", 0), Handler) as server:
        inbox.port = server.server_port
        thread = threading.Thread(target=server.serve_forever)
        thread.start()
        yield inbox
        server.shutdown()
        thread.join()


@pytest.fixture
def secret(settings: Settings, tmp_path: Path) -> Callable[[str], Settings]:
    """`secret(text)`: settings whose secret `alerts` holds that text."""

    def write(text: str) -> Settings:
        folder = tmp_path / "secrets"
        folder.mkdir(exist_ok=True)
        (folder / "alerts").write_text(text)
        return replace(settings, secrets=folder)

    return write

"""A home with a ledger, and small servers that can be wrong in every way that the doctor looks for."""

from __future__ import annotations

import threading
from collections.abc import Callable, Iterator
from contextlib import ExitStack
from http.server import ThreadingHTTPServer
from pathlib import Path

import pytest
from ledger_servers import free_port
from small_servers import Respond, handler

from pipelines.config.settings import Settings
from pipelines.ledger import Ledger


@pytest.fixture
def home(settings: Settings, tiny_model) -> Settings:
    """The settings of a home with a model, its lake, its ledger and a DVC remote."""
    Ledger.open(settings, "tiny", create=True)
    Path(settings.dvc_remote).mkdir(parents=True)
    return settings


@pytest.fixture
def serve() -> Iterator[Callable[[Respond], str]]:
    """Start an HTTP server of one function; its address."""
    with ExitStack() as stack:

        def start(respond: Respond) -> str:
            server = ThreadingHTTPServer(("127.0.0.1", 0), handler(respond))
            server.daemon_threads = True
            thread = threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.02})
            thread.start()
            stack.callback(thread.join)
            stack.callback(server.server_close)
            stack.callback(server.shutdown)
            return f"http://127.0.0.1:{server.server_address[1]}"

        yield start


@pytest.fixture
def nobody() -> str:
    """An address where nobody listens."""
    return f"http://127.0.0.1:{free_port()}"

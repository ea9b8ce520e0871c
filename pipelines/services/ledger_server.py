"""Serves the ledgers of a folder over HTTP, fetch and push, to two roles: tasks, and the promoter.

Git's own CGI program does Git's work; this server says who may speak, creates ledgers, and names the role to the hook.
"""

from __future__ import annotations

import signal
import sys
import threading
from functools import partial
from http.server import ThreadingHTTPServer
from pathlib import Path
from socketserver import TCPServer
from typing import Any

from pipelines.config.settings import Settings
from pipelines.errors import PassingFault, shorten
from pipelines.services.ledger_git import Backends
from pipelines.services.ledger_handler import Handler, Say, Served
from pipelines.services.ledger_root import Root
from pipelines.services.ledger_users import Users

LIMIT = 1 << 30


class LedgerServer(ThreadingHTTPServer):
    """Listens at `address`; each connection has a thread, each request of Git's a process."""

    daemon_threads = True
    request_queue_size = 128

    def __init__(self, address: tuple[str, int], served: Served) -> None:
        self._say = served.say
        super().__init__(address, partial(Handler, served))

    def server_bind(self) -> None:
        """Bind, without asking the name service who we are: where none answers, that takes seconds."""
        TCPServer.server_bind(self)

    def handle_error(self, request: Any, client_address: Any) -> None:  # noqa: ARG002 - as the base calls it
        """Say on one line what no handler expected."""
        error = sys.exc_info()[1]
        self._say(f"event=broken client={client_address[0]} error={shorten(repr(error), 160)}")


def serve(settings: Settings, root: Path, users: Path, host: str, port: int, say: Say, limit: int = LIMIT) -> None:
    """Serve the ledgers in `root` until SIGTERM or SIGINT, then end within two seconds.

    `users` is the folder with the logins, `limit` the longest request in bytes. New ledgers name the settings' DVC
    remote.

    Raises:
        ConfigError: a login is missing.
        PassingFault: the address is taken, or another server serves `root`.
    """
    logins = Users(settings, users)
    logins.check()
    with Root(root) as folder:
        served = Served(folder, logins, Backends(folder, limit), settings.dvc_remote, say, limit)
        try:
            server = LedgerServer((host, port), served)
        except OSError as error:
            raise PassingFault(f"cannot listen: {error}", where=f"{host}:{port}", remedy="free the port") from error
        with server:
            # shutdown() waits for serve_forever(), which this thread is in.
            for number in (signal.SIGTERM, signal.SIGINT):
                signal.signal(number, lambda *_: threading.Thread(target=server.shutdown, daemon=True).start())
            say(f"event=listening address={host}:{server.server_address[1]} root={folder.folder}")
            server.serve_forever(poll_interval=0.2)
            served.backends.stop()
            say("event=stopped")

"""Runs Git's own CGI program, `git http-backend`, one process a request, all of them ended with the server."""

from __future__ import annotations

import os
import signal
import subprocess
import tempfile
import threading
import time
from collections.abc import Iterator, Mapping
from contextlib import contextmanager, suppress
from email.message import Message
from email.parser import BytesParser
from http import HTTPStatus
from io import BufferedReader, BufferedWriter
from typing import IO, cast

from pipelines.errors import shorten
from pipelines.ledger import hook, server
from pipelines.ledger.command import configuration
from pipelines.services.ledger_requests import BLOCK, Refused, Target
from pipelines.services.ledger_root import Root
from pipelines.services.ledger_users import Role

AT_ONCE = 16
QUEUE_SECONDS = 30.0
LONGEST_SECONDS = 900.0
GRACE_SECONDS = 0.8
CLOSE_SECONDS = 5.0
HEAD_BYTES = 8192
HEAD_LINES = 50


class Backend:
    """One running `git http-backend`: its input is fed first, then its answer is read."""

    def __init__(self, process: subprocess.Popen[bytes], said: IO[bytes]) -> None:
        self._process, self._said = process, said
        self._input, self._output = cast(BufferedWriter, process.stdin), cast(BufferedReader, process.stdout)

    def feed(self, block: bytes) -> None:
        """More of the request's body. What Git no longer wants is let go: its answer says why."""
        with suppress(BrokenPipeError):
            self._input.write(block)
            self._input.flush()

    def head(self) -> tuple[HTTPStatus, Message]:
        """End the input; status and headers of the answer. Raises Refused where Git gave none."""
        self._end_input()
        lines: list[bytes] = []
        while line := self._output.readline(HEAD_BYTES).rstrip(b"\r\n"):
            lines.append(line)
            if len(lines) > HEAD_LINES:
                break
        if not lines:
            raise Refused(HTTPStatus.SERVICE_UNAVAILABLE, "git gave no answer")
        headers = BytesParser().parsebytes(b"\n".join(lines) + b"\n\n", headersonly=True)
        return HTTPStatus(int(headers.get("Status", "200").split()[0])), headers

    def blocks(self) -> Iterator[bytes]:
        """The answer's body. Raises Refused where the process was killed, so that the answer may be cut off."""
        while block := self._output.read1(BLOCK):
            yield block
        if self._process.wait() < 0:
            raise Refused(HTTPStatus.SERVICE_UNAVAILABLE, "git was ended")

    def said(self) -> str:
        """The end of what Git wrote to its stderr, on one line."""
        size = self._said.seek(0, os.SEEK_END)
        self._said.seek(max(0, size - 1000))
        return shorten(" ".join(self._said.read().decode(errors="replace").split()), 200)

    def close(self) -> None:
        """Let go of it; what has not ended, as a client went away in the middle, is made to end."""
        # Git that is told to stop leaves what it received so far; an input that ends too early makes it clean up.
        self._end_input()
        if not self.ended:
            self._outlast()
        self._output.close()

    def _outlast(self) -> None:
        harder = (signal.SIGTERM, signal.SIGKILL)
        late = [threading.Timer(CLOSE_SECONDS * turn, self.signal, (number,)) for turn, number in enumerate(harder, 1)]
        for timer in late:
            timer.daemon = True
            timer.start()
        while self._output.read1(BLOCK):
            continue
        self._process.wait()
        for timer in late:
            timer.cancel()

    def signal(self, number: int) -> None:
        """Send it, and all that it started, a signal; nothing where all have ended."""
        with suppress(ProcessLookupError):
            os.killpg(self._process.pid, number)

    @property
    def ended(self) -> bool:
        """Whether the process has ended."""
        return self._process.poll() is not None

    def _end_input(self) -> None:
        with suppress(BrokenPipeError):
            self._input.close()


class Backends:
    """Starts backends for the repositories of `root`, at most AT_ONCE at the same time."""

    def __init__(self, root: Root, limit: int) -> None:
        self._root, self._limit = root, limit
        self._room = threading.BoundedSemaphore(AT_ONCE)
        self._running: set[Backend] = set()
        self._changing = threading.Lock()
        self._stopping = False

    @contextmanager
    def started(self, asked: Target, role: Role, more: Mapping[str, str]) -> Iterator[Backend]:
        """A backend for one request, gone when the block ends.

        Raises:
            Refused: too many are at work, or the server stops.
        """
        if not self._room.acquire(timeout=QUEUE_SECONDS):
            raise Refused(HTTPStatus.SERVICE_UNAVAILABLE, "too many requests at once")
        try:
            with tempfile.TemporaryFile() as said:
                backend = self._start({**self._environment(asked, role), **more}, said)
                overdue = threading.Timer(LONGEST_SECONDS, backend.signal, (signal.SIGTERM,))
                overdue.daemon = True
                overdue.start()
                try:
                    yield backend
                finally:
                    overdue.cancel()
                    backend.close()
                    with self._changing:
                        self._running.discard(backend)
        finally:
            self._room.release()

    def stop(self) -> None:
        """Start no more, give those at work a moment to end, then end them."""
        with self._changing:
            self._stopping = True
        self._wait(GRACE_SECONDS)
        for number in (signal.SIGTERM, signal.SIGKILL):
            for backend in self._working():
                backend.signal(number)
            self._wait(GRACE_SECONDS / 2)

    def _working(self) -> list[Backend]:
        with self._changing:
            return [backend for backend in self._running if not backend.ended]

    def _wait(self, seconds: float) -> None:
        deadline = time.monotonic() + seconds
        while self._working() and time.monotonic() < deadline:
            time.sleep(0.02)

    def _start(self, environment: Mapping[str, str], said: IO[bytes]) -> Backend:
        with self._changing:
            if self._stopping:
                raise Refused(HTTPStatus.SERVICE_UNAVAILABLE, "the server stops")
            process = subprocess.Popen(
                ["git", "http-backend"],
                env=environment,
                stdin=subprocess.PIPE,
                stdout=subprocess.PIPE,
                stderr=said,
                start_new_session=True,  # so that all it starts is ended with it
                pass_fds=(self._root.fileno(),),
            )
            backend = Backend(process, said)
            self._running.add(backend)
            return backend

    def _environment(self, asked: Target, role: Role) -> dict[str, str]:
        config = server.CONFIG | {
            # Not the repository's own hooks: those of an older version know no roles.
            "core.hooksPath": str(self._root.hooks),
            "receive.maxInputSize": str(self._limit),
            "http.receivepack": "true",
            # The hook still refuses all but runs that retention has ended.
            "receive.denyDeletes": "false" if role is Role.PROMOTER else "true",
        }
        return {
            "PATH": os.environ.get("PATH", os.defpath),
            "LC_ALL": "C",
            "GIT_CONFIG_NOSYSTEM": "1",
            "GIT_CONFIG_GLOBAL": os.devnull,
            **configuration(config.items()),
            "GIT_PROJECT_ROOT": str(self._root.folder),
            "GIT_HTTP_EXPORT_ALL": "1",
            "PATH_INFO": asked.path,
            "QUERY_STRING": asked.query,
            "REMOTE_USER": role.value,
            hook.ROLE: role.value,
        }

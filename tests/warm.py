"""`evergreen` from a process that has its imports already: see warm_server.py. One server for all of a session."""

from __future__ import annotations

import json
import os
import secrets
import signal
import socket
import subprocess
import sys
import tempfile
from collections.abc import Mapping, Sequence
from contextlib import suppress
from functools import cache
from pathlib import Path
from typing import IO

from warm_server import STAY

from pipelines.config.settings import QUIET

SERVER = Path(__file__).with_name("warm_server.py")
# The environment that these name is read when Python starts, which is over there.
EARLY = ("PYTHON", "LD_", "OMP_", "OPENBLAS_", "MPL")

Words = Sequence[str | Path]


class Child:
    """A command that runs; what subprocess.Popen offers of one."""

    def __init__(self, argv: Words, env: Mapping[str, str], out: IO[str], err: IO[str]) -> None:
        self.args, self.returncode = [str(word) for word in argv], None
        asked = json.dumps({"argv": self.args, "env": dict(env), "folder": str(Path.cwd())}).encode()
        self._line = socket.socket(socket.AF_UNIX, socket.SOCK_SEQPACKET)
        _stay()
        self._line.connect(_address())
        socket.send_fds(self._line, [asked], [out.fileno(), err.fileno()])
        told = self._line.recv(32)
        assert told, "the warm server ended before it started anything: it has said why"
        self.pid = int(told)

    def poll(self) -> int | None:
        """Its exit code once it has ended."""
        with suppress(subprocess.TimeoutExpired):
            return self.wait(0)
        return None

    def wait(self, timeout: float | None = None) -> int:
        """Its exit code, negative for a signal; raises TimeoutExpired."""
        if self.returncode is None:
            self._line.settimeout(timeout if timeout is None or timeout > 0 else 0.001)
            try:
                status = self._line.recv(32)
            except TimeoutError:
                raise subprocess.TimeoutExpired(self.args, timeout or 0) from None
            assert status, f"nobody watched {self.args} to its end"
            self.returncode = os.waitstatus_to_exitcode(int(status))
            self._line.close()
        return self.returncode

    def send_signal(self, number: int) -> None:
        """Send a signal to it while it runs."""
        if self.poll() is None:
            os.kill(self.pid, number)


def start(argv: Words, env: Mapping[str, str], out: IO[str], err: IO[str]) -> Child | subprocess.Popen[str]:
    """Start `argv`, whose first word is the path of `evergreen`, with output into these files."""
    early = any(key.startswith(EARLY) and os.environ.get(key) != value for key, value in env.items())
    if early or any(key.startswith("COVERAGE") for key in env):
        return subprocess.Popen(list(argv), env=dict(env), stdin=subprocess.DEVNULL, stdout=out, stderr=err, text=True)
    return Child(argv, env, out, err)


def run(argv: Words, env: Mapping[str, str], timeout: float | None = None) -> subprocess.CompletedProcess[str]:
    """`argv`, run to its end; raises TimeoutExpired, and leaves nobody behind."""
    with tempfile.TemporaryFile("w+") as out, tempfile.TemporaryFile("w+") as err:
        child = start(argv, env, out, err)
        try:
            code = child.wait(timeout)
        finally:
            child.send_signal(signal.SIGKILL)  # does nothing to one that has ended
            child.wait()
        out.seek(0)
        err.seek(0)
        return subprocess.CompletedProcess(list(argv), code, out.read(), err.read())


@cache
def _address() -> str:
    """Where the session's server listens: a name that no file has, and that nobody can guess."""
    session = os.environ.get("PYTEST_XDIST_TESTRUNUID") or secrets.token_hex()
    return f"\0evergreen-warm-{session}"


@cache
def _stay() -> socket.socket:
    """A connection that keeps the session's server, started by whichever process asks first, until it is closed."""
    while True:
        line = socket.socket(socket.AF_UNIX, socket.SOCK_SEQPACKET)
        try:
            line.connect(_address())
            line.send(STAY)
        except (ConnectionRefusedError, BrokenPipeError):  # none there, or just leaving
            line.close()
            _start()
        else:
            return line


def _start() -> None:
    plain = {key: value for key, value in os.environ.items() if not key.startswith("EVERGREEN_")}
    argv = [sys.executable, "-P", str(SERVER), _address().removeprefix("\0")]
    subprocess.run(argv, env=plain | QUIET, stdin=subprocess.DEVNULL, stdout=subprocess.DEVNULL, check=True)


def end() -> None:
    """Need the server no more, if it was ever needed."""
    if _stay.cache_info().currsize:
        _stay().close()
        _stay.cache_clear()

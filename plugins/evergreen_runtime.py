"""Where a stage runs: today a process of this machine. `docker` and `kubernetes` will be further runtimes here."""

from __future__ import annotations

import ctypes
import json
import os
import selectors
import signal
import subprocess
import sys
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import IO, Any, Protocol

from pipelines.config import settings as configuration
from pipelines.config.settings import Runtime

RESULT_LIMIT = 8192
LINE_LIMIT = 16384
# Airflow's supervisor kills a stopping task after five seconds: be done before.
STOP_SECONDS = 3.0
_LOST = 143
_PR_SET_PDEATHSIG = 1
# Looked up before any fork: between fork and exec nothing may be loaded.
_PRCTL = getattr(ctypes.CDLL(None), "prctl", None)

Say = Callable[[str], None]


@dataclass(frozen=True)
class Outcome:
    """How a stage ended: exit code (negative: the signal that killed it), its result, its last line on stderr."""

    code: int
    result: Mapping[str, Any] | None
    error: str


class StageRuntime(Protocol):
    """Runs one stage command to its end, and can stop it from a signal handler."""

    def run(self, argv: Sequence[str], say: Say) -> Outcome:
        """Run `evergreen` with `argv`, each line it writes given to `say` as it comes."""
        ...

    def stop(self) -> None:
        """End the command and whatever it started, if it is running."""
        ...


def runtime() -> StageRuntime:
    """The runtime that the settings choose."""
    chosen = configuration.load().runtime
    kinds: dict[Runtime, Callable[[], StageRuntime]] = {Runtime.PROCESS: ProcessRuntime, Runtime.AUTO: ProcessRuntime}
    return kinds[chosen]()


@dataclass
class ProcessRuntime:
    """A child process in a group of its own that dies with us, so that no stage ever writes beside its own retry."""

    executable: Path = field(default_factory=lambda: Path(sys.executable).with_name("evergreen"))
    _child: subprocess.Popen[bytes] | None = None

    def run(self, argv: Sequence[str], say: Say) -> Outcome:
        """See `StageRuntime.run`."""
        parent = os.getpid()
        self._child = subprocess.Popen(
            [str(self.executable), *argv],
            stdin=subprocess.DEVNULL,
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            env=_environment(),
            start_new_session=True,
            preexec_fn=lambda: _die_with(parent),  # noqa: PLW1509 - a task process has one thread
        )
        try:
            last = _follow(self._child, say)
            return Outcome(self._child.wait(), _result(last["stdout"]), last["stderr"].removeprefix("evergreen: "))
        finally:
            self.stop()
            for stream in (self._child.stdout, self._child.stderr):
                _pipe(stream).close()

    def stop(self) -> None:
        """See `StageRuntime.stop`."""
        child = self._child
        if child is None or child.poll() is not None:
            return
        os.killpg(child.pid, signal.SIGTERM)
        try:
            child.wait(STOP_SECONDS)
        except subprocess.TimeoutExpired:
            os.killpg(child.pid, signal.SIGKILL)
            child.wait()


def _environment() -> dict[str, str]:
    # A model's own code runs in there: it needs no configuration, key or token of Airflow's.
    return {key: value for key, value in os.environ.items() if not key.lstrip("_").startswith("AIRFLOW")}


def _die_with(parent: int) -> None:
    if _PRCTL is not None:
        _PRCTL(_PR_SET_PDEATHSIG, signal.SIGKILL)
    if os.getppid() != parent:
        # The parent died before the line above took effect.
        os._exit(_LOST)


def _follow(child: subprocess.Popen[bytes], say: Say) -> dict[str, str]:
    """Give every line of the child's to `say` but the last of stdout; return the last line of either stream."""
    streams = {"stdout": child.stdout, "stderr": child.stderr}
    last = {"stdout": "", "stderr": ""}
    pieces = {name: _Lines() for name in streams}
    with selectors.DefaultSelector() as selector:
        for name, stream in streams.items():
            selector.register(_pipe(stream), selectors.EVENT_READ, name)
        while selector.get_map():
            ready = selector.select(timeout=0.5)
            if not ready and child.poll() is not None:
                # Something the stage left behind still holds its pipes: nobody waits for that.
                break
            for key, _ in ready:
                chunk = os.read(key.fd, 65536)
                if not chunk:
                    selector.unregister(key.fileobj)
                for line in pieces[key.data].feed(chunk):
                    if key.data == "stderr":
                        say(line)
                    elif last["stdout"]:
                        say(last["stdout"])
                    last[key.data] = line
    return last


def _pipe(stream: IO[bytes] | None) -> IO[bytes]:
    if stream is None:
        raise RuntimeError("the child was started without pipes")
    return stream


class _Lines:
    """Cuts a stream of bytes into printable lines of at most LINE_LIMIT characters; blank ones are dropped."""

    def __init__(self) -> None:
        self._rest = b""

    def feed(self, chunk: bytes) -> Iterator[str]:
        """The lines that `chunk` completes; an empty chunk is the end."""
        *whole, self._rest = (self._rest + chunk).split(b"\n")
        if not chunk or len(self._rest) > LINE_LIMIT:
            whole, self._rest = [*whole, self._rest], b""
        for line in whole:
            text = "".join(c if c.isprintable() else " " for c in line[:LINE_LIMIT].decode("utf-8", "replace")).rstrip()
            if text:
                yield text


def _result(line: str) -> Mapping[str, Any] | None:
    """The JSON object in `line`, or None when it holds anything else."""
    if len(line) > RESULT_LIMIT:
        return None
    try:
        value = json.loads(line)
    except ValueError:
        return None
    return value if isinstance(value, dict) else None

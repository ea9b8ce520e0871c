"""The process runtime: a stage as a child of the task, on this machine."""

from __future__ import annotations

import ctypes
import os
import selectors
import signal
import subprocess
import sys
from collections.abc import Sequence
from dataclasses import dataclass, field
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import IO

from evergreen_runtime import RESULT_LIMIT, Job, Lines, Outcome, Say, outcome_of

# Airflow's supervisor kills a stopping task after five seconds: be done before.
STOP_SECONDS = 3.0
_LOST = 143
_PR_SET_PDEATHSIG = 1
# Looked up before any fork: between fork and exec nothing may be loaded.
_PRCTL = getattr(ctypes.CDLL(None), "prctl", None)


@dataclass
class ProcessRuntime:
    """A child process in a group of its own that dies with us, so that no stage ever writes beside its own retry."""

    executable: Path = field(default_factory=lambda: Path(sys.executable).with_name("evergreen"))
    _child: subprocess.Popen[bytes] | None = None

    def run(self, job: Job, say: Say) -> Outcome:
        """Run `evergreen` with the job's argv to its end, each line it writes given to `say` as it comes."""
        with TemporaryDirectory(prefix="evergreen-") as folder:
            result = Path(folder) / "result.json"
            code, last = self._run([*job.argv, "--result", str(result)], say)
            return outcome_of(code, _read(result), last)

    def stop(self) -> None:
        """End the command and whatever it started, if it is running; may be called from a signal handler."""
        child = self._child
        if child is None or child.poll() is not None:
            return
        os.killpg(child.pid, signal.SIGTERM)
        try:
            child.wait(STOP_SECONDS)
        except subprocess.TimeoutExpired:
            os.killpg(child.pid, signal.SIGKILL)
            child.wait()

    def _run(self, argv: Sequence[str], say: Say) -> tuple[int, str]:
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
            return self._child.wait(), last
        finally:
            self.stop()
            for stream in (self._child.stdout, self._child.stderr):
                _pipe(stream).close()


def _environment() -> dict[str, str]:
    # A model's own code runs in there: it needs no configuration, key or token of Airflow's.
    return {key: value for key, value in os.environ.items() if not key.lstrip("_").startswith("AIRFLOW")}


def _die_with(parent: int) -> None:
    if _PRCTL is not None:
        _PRCTL(_PR_SET_PDEATHSIG, signal.SIGKILL)
    if os.getppid() != parent:
        # The parent died before the line above took effect.
        os._exit(_LOST)


def _follow(child: subprocess.Popen[bytes], say: Say) -> str:
    """Give every line of the child's to `say`; return the last one of stderr."""
    streams = {"stdout": child.stdout, "stderr": child.stderr}
    pieces = {name: Lines() for name in streams}
    last = ""
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
                    say(line)
                    last = line if key.data == "stderr" else last
    return last


def _pipe(stream: IO[bytes] | None) -> IO[bytes]:
    if stream is None:
        raise RuntimeError("the child was started without pipes")
    return stream


def _read(path: Path) -> bytes:
    """What the stage wrote, or nothing where it wrote none; one byte over the limit is enough to refuse it."""
    try:
        with path.open("rb") as file:
            return file.read(RESULT_LIMIT + 1)
    except FileNotFoundError:
        return b""

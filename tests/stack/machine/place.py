"""Where the test machine keeps its things, who it has started, and how it says what it is doing.

Everything lies below one folder. What runs is written down there by pid and start time, so that the next session can
stop what a killed one left behind, and nothing else.
"""

from __future__ import annotations

import fcntl
import os
import shutil
import socket
import subprocess
import sys
import threading
import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from pipelines.services import processes
from pipelines.services.processes import Record

ROOT = Path(__file__).resolve().parents[3]
# A bridge of our own, so that servers of the host can be reached from containers whatever the engine is doing.
BRIDGE, GATEWAY, NETWORKS = "evergreen-test", "10.213.0.1", "10.213.0.0/16"
POLL_SECONDS = 0.2


def folder() -> Path:
    """`EVERGREEN_TEST_MACHINE`, by default below /var/tmp: users other than root must be able to enter it."""
    return Path(os.environ.get("EVERGREEN_TEST_MACHINE") or "/var/tmp/evergreen-test-machine")


def say(line: str) -> None:
    """Progress for the person who waits; pytest shows it with `-s` and on failure."""
    sys.stdout.write(f"test machine: {line}\n")
    sys.stdout.flush()


@contextmanager
def timed(what: str) -> Iterator[None]:
    """Say how long `what` took."""
    began = time.monotonic()
    yield
    say(f"{what}: {time.monotonic() - began:.1f} s")


def wait_for(condition: Callable[[], Any], what: str, seconds: float, poll: float = POLL_SECONDS) -> Any:
    """The first true answer of `condition`; an AssertionError that names `what` when none came in time."""
    deadline = time.monotonic() + seconds
    while not (found := condition()):
        assert time.monotonic() < deadline, f"{what}: not within {seconds:.0f} s"
        time.sleep(poll)
    return found


def beside(*jobs: Callable[[], Any]) -> list[Any]:
    """What these return, run at once to the end of the slowest; raises what one of them raised."""
    with ThreadPoolExecutor(len(jobs)) as pool:
        return [done.result() for done in [pool.submit(job) for job in jobs]]


def free_port() -> int:
    """A port that nothing uses on any address."""
    with socket.socket() as probe:
        probe.bind(("0.0.0.0", 0))  # noqa: S104 - bound for a moment, to ask the kernel
        port: int = probe.getsockname()[1]
        return port


def listening(host: str, port: int) -> bool:
    """Whether something accepts connections there."""
    try:
        socket.create_connection((host, port), timeout=1).close()
    except OSError:
        return False
    return True


def attempt(*argv: str | Path, timeout: float = 300, **extra: Any) -> subprocess.CompletedProcess[str]:
    """A command run to its end, however that is."""
    words = [str(word) for word in argv]
    return subprocess.run(words, capture_output=True, text=True, timeout=timeout, check=False, **extra)


def command(*argv: str | Path, timeout: float = 300, **extra: Any) -> str:
    """Standard output of a command; an AssertionError with the end of its output where it fails."""
    done = attempt(*argv, timeout=timeout, **extra)
    shown = " ".join(map(str, argv))[:200]
    assert done.returncode == 0, f"{shown} ended with {done.returncode}: {(done.stdout + done.stderr)[-2000:].strip()}"
    return done.stdout


@dataclass
class Keeper:
    """Starts and ends the servers of one session, and plays the part of the host's service manager for them."""

    root: Path
    _running: dict[str, Record] = field(default_factory=dict)
    _lock: threading.Lock = field(default_factory=threading.Lock)

    def start(self, name: str, argv: Sequence[str | Path], env: Mapping[str, str] | None = None) -> Record:
        """Start `argv` in a session of its own, its output in `logs/<name>.log`."""
        log = self.root / "logs" / f"{name}.log"
        words = [str(word) for word in argv]
        started = processes.start(name, words, {**os.environ, **(env or {})}, log, self.root)
        with self._lock:
            self._running[name] = started
            self._save()
        return started

    def alive(self, name: str) -> bool:
        """Whether that server still runs."""
        return name in self._running and self._running[name].process() is not None

    def require(self, name: str) -> bool:
        """True while the server runs; an AssertionError with the end of its log once it has ended."""
        assert self.alive(name), f"{name} ended: {self.tail(name)}"
        return True

    def tail(self, name: str) -> str:
        """The end of its log."""
        return processes.tail(self.root / "logs" / f"{name}.log", 8)

    def kill(self, name: str) -> None:
        """SIGKILL for the one process, as a crash would do; what it has started lives on."""
        assert processes.kill(self._running[name]), f"{name} does not run"

    def stop(self, *names: str) -> None:
        """End these servers and all they have started, politely first."""
        processes.stop([self._running.pop(name) for name in names if name in self._running])
        self._save()

    def stop_all(self) -> None:
        """End whatever this session has started, the newest first."""
        self.stop(*reversed(list(self._running)))

    def _save(self) -> None:
        processes.save(self.root / "processes.json", self._running)

    @classmethod
    def fresh(cls, root: Path) -> Keeper:
        """A keeper over `root` after what an earlier, killed session left running has been stopped."""
        root.mkdir(parents=True, exist_ok=True)
        root.chmod(0o755)
        left = list(processes.load(root / "processes.json").values())
        if processes.tree(left):
            say(f"a killed session left {', '.join(record.name for record in left)} behind: stopping them")
            processes.stop(left)
        shutil.rmtree(root / "logs", ignore_errors=True)
        (root / "logs").mkdir()
        keeper = cls(root)
        keeper._save()
        return keeper


@contextmanager
def alone(root: Path) -> Iterator[None]:
    """Hold the machine: two sessions at once would stop each other's servers."""
    root.mkdir(parents=True, exist_ok=True)
    with (root / "lock").open("w") as lock:
        try:
            fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            raise AssertionError(f"another session of these tests holds {root}: wait for it") from None
        yield


def bridge_up() -> None:
    """The bridge on which the host's servers listen; it stays as it is when there is one."""
    if f"{GATEWAY}/" not in command("ip", "-o", "addr", "show"):
        command("ip", "link", "add", "name", BRIDGE, "type", "bridge")
        command("ip", "addr", "add", f"{GATEWAY}/24", "dev", BRIDGE)
    command("ip", "link", "set", BRIDGE, "up")


def bridge_down() -> None:
    """Remove it."""
    attempt("ip", "link", "delete", BRIDGE)

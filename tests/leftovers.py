"""What outlives a test session, processes that nobody ended and threads that go on, is ended with it."""

from __future__ import annotations

import sys
import threading
import time
from concurrent.futures import thread as pools

import psutil

SECONDS = 5.0
# Python's own, which ends with the process that it watches.
TRACKER = "multiprocessing.resource_tracker"


def end(seconds: float = SECONDS) -> list[str]:
    """End every child of this process and what it has started, wait for its threads, and say which there were."""
    return [*_end_processes(seconds), *_end_threads(seconds)]


def _end_processes(seconds: float) -> list[str]:
    running = [child for child in psutil.Process().children(recursive=True) if _counts(child)]
    names = [f"process {child.pid}: {_line(child)}" for child in running]
    for child in running:
        _kill(child)
    psutil.wait_procs(running, timeout=seconds)
    return names


def _end_threads(seconds: float) -> list[str]:
    ours = {threading.main_thread(), threading.current_thread()}
    going = [
        thread for thread in threading.enumerate() if thread not in ours and not thread.daemon and not _idle(thread)
    ]
    for thread in going:
        _wait(thread, seconds / len(going))
    return [f"thread {thread.name}" for thread in going if thread.is_alive() and not _idle(thread)]


def _wait(thread: threading.Thread, seconds: float) -> None:
    """Until it ends, or has no more work."""
    last = time.monotonic() + seconds
    while thread.is_alive() and not _idle(thread) and time.monotonic() < last:
        thread.join(0.05)


def _idle(thread: threading.Thread) -> bool:
    """Whether it waits in a pool for work: libraries keep such pools, whose threads Python ends when it does."""
    frame = sys._current_frames().get(thread.ident or 0)
    return thread in pools._threads_queues and frame is not None and frame.f_code is pools._worker.__code__


def _counts(child: psutil.Process) -> bool:
    try:
        return child.status() != psutil.STATUS_ZOMBIE and TRACKER not in " ".join(child.cmdline())
    except psutil.NoSuchProcess:
        return False


def _line(child: psutil.Process) -> str:
    try:
        return " ".join(child.cmdline())[:120]
    except psutil.NoSuchProcess:
        return "ended meanwhile"


def _kill(child: psutil.Process) -> None:
    try:
        child.kill()
    except psutil.NoSuchProcess:
        return

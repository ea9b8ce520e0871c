"""File locks that the kernel lets go of when their holder dies."""

from __future__ import annotations

import fcntl
import os
import time
from pathlib import Path
from types import TracebackType
from typing import Self

from pipelines.errors import LeaseHeld

_PAUSE_SECONDS = 0.02


class locked:
    """`with locked(path):` holds the exclusive lock of `path`, waiting at most `seconds` for it; 0 does not wait.

    Raises:
        LeaseHeld: another live process, or another thread, holds it.
    """

    def __init__(self, path: Path, *, seconds: float = 120.0, what: str = "the ledger's mirror") -> None:
        self._path, self._seconds, self._what = path, seconds, what
        self._file: int | None = None

    def __enter__(self) -> Self:
        self._path.parent.mkdir(parents=True, exist_ok=True)
        self._file = os.open(self._path, os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o644)
        deadline = time.monotonic() + self._seconds
        while not self._taken(self._file):
            if time.monotonic() >= deadline:
                self.close()
                raise LeaseHeld(
                    f"another process is at work on {self._what}",
                    where=str(self._path),
                    remedy="wait for it to end, then try again",
                )
            time.sleep(_PAUSE_SECONDS)
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.close()

    def fileno(self) -> int:
        """The descriptor that holds the lock: a child that inherits it holds the lock on until it ends."""
        if self._file is None:
            raise ValueError("the lock is not held")
        return self._file

    def close(self) -> None:
        """Let go of the lock."""
        if self._file is not None:
            os.close(self._file)
            self._file = None

    @staticmethod
    def _taken(file: int) -> bool:
        try:
            fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            return False
        return True

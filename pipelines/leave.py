"""The end of a command: once all that is due has been done, without taking apart what was imported.

Python's own way goes through every object of MLflow, SQLAlchemy and pandas once more: 2.9 s of a retraining of 19.
"""

from __future__ import annotations

import atexit
import os
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass


@dataclass
class _End:
    code: int | None = None

    def leave(self) -> None:
        """Threads are joined by now, and whatever else is registered for the exit has been called."""
        if self.code is None:
            return
        try:
            sys.stdout.flush()
            sys.stderr.flush()
        except OSError:
            return  # Python's own way tells of what could not be written
        os._exit(self.code)


@contextmanager
def shortly() -> Iterator[None]:
    """The process ends as soon as this block has ended in `SystemExit`, or without an error.

    Enter it before anything else is registered with `atexit`: last come, first called. Any other exception ends the
    process in Python's own way.
    """
    end = _End()
    atexit.register(end.leave)
    try:
        yield
        end.code = 0
    except SystemExit as ended:
        if ended.code is None or isinstance(ended.code, int):
            end.code = (ended.code or 0) & 0xFF
        raise

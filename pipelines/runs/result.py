"""How a stage ended, as a small file for whoever started it: Airflow's task, a container's engine, a pod's kubelet."""

from __future__ import annotations

import json
import time
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from pipelines.config import settings
from pipelines.errors import EvergreenError, InputError
from pipelines.storage.files import write_bytes

LIMIT = 8192
# What a kubelet keeps of a termination message.
DEVICE_LIMIT = 4096
_DEVICES = Path("/dev")
_KEEP_SECONDS = 7 * 86400


class Results:
    """Writes `{"exit_code", "summary", "error"}` to one path, whatever was there before."""

    def __init__(self, path: Path) -> None:
        self.path = path
        # A pod's termination message is a file that is mounted on its own: it cannot be replaced, only written.
        self._in_place = path.is_relative_to(_DEVICES)
        self._limit = DEVICE_LIMIT if self._in_place else LIMIT
        if not self._in_place:
            # An earlier try's answer must not be taken for ours if we are killed.
            path.unlink(missing_ok=True)

    def done(self, exit_code: int, summary: Mapping[str, Any]) -> None:
        """The stage ended by itself.

        Raises:
            InputError: the summary is too large; that is then the result.
        """
        data = _bytes({"exit_code": exit_code, "summary": dict(summary), "error": ""})
        if len(data) > self._limit:
            raise InputError(
                f"the stage's result has {len(data)} bytes, over {self._limit}",
                where=str(self.path),
                remedy="let its summary name less; the ledger holds the rest",
            )
        self._write(data)

    def failed(self, error: EvergreenError) -> None:
        """The stage ended with `error`."""
        self._write(_bytes({"exit_code": int(error.exit_code), "summary": {}, "error": error.line()}))

    def _write(self, data: bytes) -> None:
        if self._in_place:
            self.path.write_bytes(data)
        else:
            write_bytes(self.path, data, durable=False)


@contextmanager
def told(path: Path | None) -> Iterator[Results | None]:
    """The block's results; an `EvergreenError` is written there too and goes on. A crash leaves no file."""
    if path is None:
        yield None
        return
    results = Results(path)
    try:
        if path.parent == settings.load().home / "results":
            _sweep(path.parent)
        yield results
    except EvergreenError as error:
        results.failed(error)
        raise


def _sweep(folder: Path) -> None:
    """Containers share this folder, and nobody can remove a file of a container that is gone: old ones go here."""
    oldest = time.time() - _KEEP_SECONDS
    for path in folder.glob("*.json"):
        try:
            if path.stat().st_mtime < oldest:
                path.unlink()
        except FileNotFoundError:
            continue  # another stage swept it


def _bytes(value: Mapping[str, Any]) -> bytes:
    return json.dumps(value, default=str, sort_keys=True).encode()

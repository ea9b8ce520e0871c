"""Where a step of a night puts its copies."""

from __future__ import annotations

import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from pipelines.config.settings import Settings


@contextmanager
def scratch_folder(settings: Settings, what: str) -> Iterator[Path]:
    """A folder on the cache's volume that is gone afterwards."""
    settings.workspaces.mkdir(parents=True, exist_ok=True)
    with tempfile.TemporaryDirectory(prefix=f".{what}-", dir=settings.workspaces) as folder:
        yield Path(folder)

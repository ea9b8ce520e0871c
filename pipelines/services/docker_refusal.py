"""What the Docker proxy answers a request that it does not pass on."""

from __future__ import annotations

from pipelines.errors import shorten


class Refused(Exception):
    """A request that no container task makes. `status` is what HTTP says of it."""

    def __init__(self, what: str, why: str, status: int = 403) -> None:
        self.status = status
        super().__init__(f"evergreen: {shorten(what, 120)} refused: {shorten(why, 150)}")

"""Reads objects to their end: pinned to one version, taken up again where a connection broke off."""

from __future__ import annotations

import hashlib
import random
import time
from collections.abc import Iterator
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from pipelines.errors import PassingFault
from pipelines.storage.files import BLOCK
from pipelines.storage.s3 import S3, S3Place
from pipelines.storage.s3_faults import Taken, fault, passing_kinds

_PAUSE_SECONDS = 5.0


@dataclass(frozen=True)
class Copied:
    """What was read: all its bytes, even where the copy was capped."""

    bytes: int
    digest: str
    etag: str


def fetch(s3: S3, place: S3Place, target: Path, *, algorithm: str = "sha256", cap: int | None = None) -> Copied:
    """Copy the object at `place` to the file `target`, at most `cap` bytes of it; the digest is over the whole.

    Raises:
        ObjectMissing: there is none.
        ObjectRefused: our keys may not read it.
        PassingFault: S3 cannot be reached, breaks off every time, or has other bytes there meanwhile.
    """
    reading, digest = _Reading(s3, place), hashlib.new(algorithm, usedforsecurity=False)
    with target.open("wb") as out:
        for block in reading.blocks():
            left = len(block) if cap is None else max(0, cap - out.tell())
            out.write(block[:left])
            digest.update(block)
    return Copied(reading.done, digest.hexdigest(), reading.etag.strip('"'))


def md5_of(s3: S3, place: S3Place) -> str:
    """The md5 of the bytes at `place`, read to their end; raises as `fetch` does."""
    digest = hashlib.md5(usedforsecurity=False)
    for block in _Reading(s3, place).blocks():
        digest.update(block)
    return digest.hexdigest()


def pause(turn: int) -> None:
    """Wait before try number `turn` + 1: longer each time, and not all who wait for the same amount."""
    time.sleep(min(_PAUSE_SECONDS, 0.2 * 2**turn) * random.uniform(0.5, 1))  # noqa: S311


@dataclass
class _Reading:
    """One object on its way. `etag` and `size` are those of the first answer, and must stay."""

    s3: S3
    place: S3Place
    done: int = 0
    size: int = -1
    etag: str = ""
    broken: int = field(default=0)

    def blocks(self) -> Iterator[bytes]:
        while self.done != self.size:
            body = self._open()
            error: Exception | None = None
            try:
                while block := body.read(BLOCK):
                    self.done += len(block)
                    yield block
            except passing_kinds() as broke:
                error = broke
            finally:
                body.close()
            if self.done != self.size:
                self._broke_off(error)

    def _open(self) -> Any:
        more = {"IfMatch": self.etag} if self.etag else {}
        if self.done:
            more["Range"] = f"bytes={self.done}-"
        try:
            with self.s3.asking(self.place):
                answer = self.s3.client.get_object(Bucket=self.place.bucket, Key=self.place.key, **more)
        except Taken:
            raise PassingFault(
                "changed while it was being read", where=str(self.place), remedy="try again when it is delivered"
            ) from None
        if self.size < 0:
            self.size, self.etag = int(answer["ContentLength"]), answer["ETag"]
        elif self.done + int(answer["ContentLength"]) != self.size:
            raise PassingFault(f"{self.s3.endpoint} sent another part than asked for", where=str(self.place))
        return answer["Body"]

    def _broke_off(self, error: Exception | None) -> None:
        self.broken += 1
        if self.broken < self.s3.attempts:
            pause(self.broken)
            return
        if error is not None:
            raise fault(error, str(self.place), self.s3.endpoint) from None
        raise PassingFault(
            f"{self.s3.endpoint} ends after {self.done} of {self.size} bytes", where=str(self.place), remedy="try again"
        )

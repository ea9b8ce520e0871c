"""The DVC remote as retention sees it: objects with their age, a shelf they wait on before they are removed, and back.

What is taken off its place lies on the shelf, `trash/` in the remote, until nobody can have relied on it any more: who
looked just before it was taken, and named it just after, finds it there.
"""

from __future__ import annotations

import os
import re
import time
from collections.abc import Iterator
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path
from typing import Protocol

from pipelines.config.settings import Settings
from pipelines.errors import ConfigError
from pipelines.ledger.remotes import passing
from pipelines.storage.s3 import S3, S3Place, is_s3
from pipelines.storage.s3_faults import ObjectMissing

PLACE, SHELF = ("files", "md5"), ("trash", "md5")
_NAME = re.compile(r"[0-9a-f]{32}(\.dir)?\Z")


@dataclass(frozen=True)
class Stored:
    """An object that is there, its bytes, and since when (seconds since 1970)."""

    oid: str
    bytes: int
    since: float


class Objects(Protocol):
    """A remote's objects. Everything may be repeated; all raises PassingFault where the remote cannot be reached."""

    def listed(self) -> Iterator[Stored]:
        """Those in their place."""

    def shelved(self) -> Iterator[Stored]:
        """Those on the shelf, and since when they lie there."""

    def shelve(self, oid: str, before: float) -> bool:
        """Put an object on the shelf unless it has been there only since `before` or later; whether it was put."""

    def restore(self, oid: str) -> bool:
        """Put an object from the shelf back; False: the shelf has none."""

    def forget(self, oid: str) -> None:
        """Remove an object from the shelf, for good."""

    def erase(self, oid: str) -> None:
        """Remove an object from its place and from the shelf, for good."""


def open_objects(settings: Settings) -> Objects:
    """The objects of the remote that the settings name; raises ConfigError where it is neither folder nor S3."""
    if is_s3(settings.dvc_remote):
        return S3Objects(S3.open(settings), S3Place.parse(settings.dvc_remote, "EVERGREEN_DVC_REMOTE"))
    if "://" in settings.dvc_remote:
        raise ConfigError(
            "retention knows folders and s3:// places alone", where="EVERGREEN_DVC_REMOTE", remedy="use one of them"
        )
    return FolderObjects(Path(settings.dvc_remote))


@dataclass(frozen=True)
class FolderObjects:
    """Those of a remote that is a folder."""

    root: Path

    def listed(self) -> Iterator[Stored]:
        """As `Objects.listed`."""
        return self._listed(PLACE)

    def shelved(self) -> Iterator[Stored]:
        """As `Objects.shelved`."""
        return self._listed(SHELF)

    def shelve(self, oid: str, before: float) -> bool:
        """As `Objects.shelve`."""
        place, shelf = self._at(PLACE, oid), self._at(SHELF, oid)
        with passing(str(self.root)), suppress(FileNotFoundError):
            if place.stat().st_mtime >= before:
                return False
            shelf.parent.mkdir(parents=True, exist_ok=True)
            # First the time: killed in between, it is young where it was, not old on the shelf.
            os.utime(place, (time.time(), time.time()))
            place.replace(shelf)
            return True
        return False

    def restore(self, oid: str) -> bool:
        """As `Objects.restore`."""
        place, shelf = self._at(PLACE, oid), self._at(SHELF, oid)
        with passing(str(self.root)), suppress(FileNotFoundError):
            if place.exists():
                shelf.unlink()
            else:
                place.parent.mkdir(parents=True, exist_ok=True)
                shelf.replace(place)
            return True
        return False

    def forget(self, oid: str) -> None:
        """As `Objects.forget`."""
        with passing(str(self.root)):
            self._at(SHELF, oid).unlink(missing_ok=True)

    def erase(self, oid: str) -> None:
        """As `Objects.erase`."""
        with passing(str(self.root)):
            self._at(PLACE, oid).unlink(missing_ok=True)
        self.forget(oid)

    def _listed(self, where: tuple[str, ...]) -> Iterator[Stored]:
        with passing(str(self.root)):
            for path in self.root.joinpath(*where).glob("??/*"):
                oid = path.parent.name + path.name
                with suppress(FileNotFoundError):  # it was moved while we looked
                    if _NAME.match(oid):
                        found = path.stat()
                        yield Stored(oid, found.st_size, found.st_mtime)

    def _at(self, where: tuple[str, ...], oid: str) -> Path:
        return self.root.joinpath(*where, oid[:2], oid[2:])


@dataclass(frozen=True)
class S3Objects:
    """Those of a remote on S3."""

    s3: S3
    place: S3Place

    def listed(self) -> Iterator[Stored]:
        """As `Objects.listed`."""
        return self._listed(PLACE)

    def shelved(self) -> Iterator[Stored]:
        """As `Objects.shelved`."""
        return self._listed(SHELF)

    def shelve(self, oid: str, before: float) -> bool:
        """As `Objects.shelve`."""
        from pipelines.storage.s3_shelf import move, since

        age = since(self.s3, self._at(PLACE, oid))
        if age is None or age >= before:
            return False
        with suppress(ObjectMissing):
            move(self.s3, self._at(PLACE, oid), self._at(SHELF, oid))
            return True
        return False

    def restore(self, oid: str) -> bool:
        """As `Objects.restore`."""
        from pipelines.storage.s3_shelf import move, remove

        if self.s3.head(self._at(SHELF, oid)) is None:
            return False
        if self.s3.head(self._at(PLACE, oid)) is None:
            with suppress(ObjectMissing):  # another reader was quicker
                move(self.s3, self._at(SHELF, oid), self._at(PLACE, oid))
        else:
            remove(self.s3, self._at(SHELF, oid))
        return True

    def forget(self, oid: str) -> None:
        """As `Objects.forget`."""
        from pipelines.storage.s3_shelf import remove

        remove(self.s3, self._at(SHELF, oid))

    def erase(self, oid: str) -> None:
        """As `Objects.erase`."""
        from pipelines.storage.s3_shelf import remove

        remove(self.s3, self._at(PLACE, oid))
        self.forget(oid)

    def _listed(self, where: tuple[str, ...]) -> Iterator[Stored]:
        from pipelines.storage.s3_shelf import listed

        for key, size, since in listed(self.s3, self.place.below(*where)):
            oid = "".join(key.split("/")[-2:])
            if _NAME.match(oid):
                yield Stored(oid, size, since)

    def _at(self, where: tuple[str, ...], oid: str) -> S3Place:
        return self.place.below(*where, oid[:2], oid[2:])

"""Partitions in a folder: what the operator vouches for is followed, no symbolic link below it is."""

from __future__ import annotations

import errno
import hashlib
import os
import stat
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import BinaryIO

from pipelines.errors import DataError, PassingFault
from pipelines.storage.files import BLOCK, atomic_file
from pipelines.storage.s3_read import Copied

_SYMLINK = (errno.ELOOP, errno.ENOTDIR)


class PartitionMissing(DataError):
    """The source has no such partition."""


class PartitionRefused(DataError):
    """What stands where the partition should be is no ordinary file that we may read."""


@dataclass(frozen=True)
class FolderPlace:
    """The folder that the operator vouches for, and the parts below it, where no symbolic link is followed."""

    base: Path
    parts: tuple[str, ...]

    @property
    def path(self) -> Path:
        """The whole path."""
        return self.base.joinpath(*self.parts)


def fetch(place: FolderPlace, target: Path, cap: int) -> Copied:
    """Copy the file at `place` to `target`, at most `cap` bytes of it; the sha256 is over the whole.

    Raises:
        PartitionMissing: there is none.
        PartitionRefused: a symbolic link on the way, no ordinary file, or no right to read it.
        PassingFault: the file changed while it was read, or reading failed.
    """
    with _opened(place) as file, atomic_file(target, durable=False) as temporary:
        before = os.fstat(file.fileno())
        sha256, size = _copy(file, temporary, cap)
        after = os.fstat(file.fileno())
    if (before.st_mtime_ns, before.st_size) != (after.st_mtime_ns, after.st_size) or size != after.st_size:
        raise PassingFault(
            "changed while it was being read", where=str(place.path), remedy="try again when it is delivered"
        )
    return Copied(size, sha256, f"{after.st_mtime_ns:x}-{size:x}")


@contextmanager
def _opened(place: FolderPlace) -> Iterator[BinaryIO]:
    """The file, reached one folder at a time, so that no link slips in between a check and its use."""
    where, parts = str(place.path), place.parts
    with ExitStack() as stack:
        try:
            handle = os.open(place.base, os.O_RDONLY | os.O_DIRECTORY)
            stack.callback(os.close, handle)
            for part in parts[:-1]:
                handle = os.open(part, os.O_RDONLY | os.O_DIRECTORY | os.O_NOFOLLOW, dir_fd=handle)
                stack.callback(os.close, handle)
            # Without O_NONBLOCK a pipe laid in the lake would make us wait for its writer for ever.
            handle = os.open(parts[-1], os.O_RDONLY | os.O_NOFOLLOW | os.O_NONBLOCK, dir_fd=handle)
            stack.callback(os.close, handle)
        except OSError as error:
            raise _fault(error, where) from None
        if not stat.S_ISREG(os.fstat(handle).st_mode):
            raise PartitionRefused("is no ordinary file", where=where, remedy="put a parquet file there")
        yield stack.enter_context(os.fdopen(handle, "rb", closefd=False))


def _copy(file: BinaryIO, target: Path, cap: int) -> tuple[str, int]:
    digest, size = hashlib.sha256(), 0
    with target.open("wb") as out:
        while block := file.read(BLOCK):
            digest.update(block)
            if size < cap:
                out.write(block[: cap - size])
            size += len(block)
    return digest.hexdigest(), size


def _fault(error: OSError, where: str) -> Exception:
    if error.errno == errno.ENOENT:
        return PartitionMissing("there is no such partition", where=where, remedy="deliver it, then ingest again")
    if error.errno in _SYMLINK:
        return PartitionRefused("a symbolic link is on the way to it", where=where, remedy="put the file itself there")
    if error.errno in (errno.EACCES, errno.EPERM, errno.ENAMETOOLONG):
        return PartitionRefused(f"cannot be opened: {error.strerror}", where=where, remedy="let this user read it")
    return PassingFault(f"cannot be opened: {error.strerror}", where=where, remedy="try again")

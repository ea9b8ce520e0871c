"""The lake partitions come from: never written to, and never trusted to hold what it promises."""

from __future__ import annotations

import errno
import hashlib
import os
import stat
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass
from pathlib import Path, PurePosixPath
from typing import BinaryIO

from pipelines.config import names
from pipelines.config.model import Table
from pipelines.errors import ConfigError, DataError, PassingFault, shorten
from pipelines.storage.files import BLOCK, atomic_file

_SYMLINK = (errno.ELOOP, errno.ENOTDIR)


class PartitionMissing(DataError):
    """The source has no such partition."""


class PartitionRefused(DataError):
    """What stands where the partition should be is no ordinary file that we may read."""


@dataclass(frozen=True)
class Fetched:
    """A partition's own copy, and the URI it was copied from.

    `whole` is False when it was over the cap: hashed to its end, but cut off at `path`.
    """

    path: Path
    source: str
    sha256: str
    bytes: int
    etag: str
    whole: bool


@dataclass(frozen=True)
class Source:
    """The folder that relative URIs of tables are below."""

    lake: str

    def locate(self, table: Table, partition: str) -> Path:
        """Where `partition` (`YYYY-MM-DD` or `static`) of `table` should lie.

        Raises:
            ConfigError: no legal partition name, or a URI of a kind that this version cannot read.
        """
        base, parts = self._place(table.uri, names.partition_name(partition))
        return base.joinpath(*parts)

    def fetch(self, table: Table, partition: str, target: Path, cap: int) -> Fetched:
        """Copy `partition` of `table` to the file `target`, at most `cap` bytes of it, hashing the whole.

        Raises:
            PartitionMissing: there is none.
            PartitionRefused: a symbolic link on the way, no ordinary file, or no right to read it.
            PassingFault: the file changed while it was read, or reading failed.
        """
        base, parts = self._place(table.uri, names.partition_name(partition))
        path = base.joinpath(*parts)
        with _opened(base, parts) as file, atomic_file(target, durable=False) as temporary:
            before = os.fstat(file.fileno())
            sha256, size = _copy(file, temporary, cap)
            after = os.fstat(file.fileno())
        if (before.st_mtime_ns, before.st_size) != (after.st_mtime_ns, after.st_size) or size != after.st_size:
            raise PassingFault(
                "changed while it was being read", where=str(path), remedy="try again when it is delivered"
            )
        return Fetched(
            target,
            table.uri.replace("{date}", partition),
            sha256,
            size,
            f"{after.st_mtime_ns:x}-{size:x}",
            whole=size <= cap,
        )

    def _place(self, uri: str, partition: str) -> tuple[Path, tuple[str, ...]]:
        """The folder that the operator vouches for, and the parts below it, where no symbolic link is followed."""
        if "://" in uri or "://" in self.lake:
            raise ConfigError(
                f"{shorten(repr(uri if '://' in uri else self.lake))} cannot be read",
                where="lake",
                remedy="name a folder: this version reads no other place",
            )
        base = Path(self.lake)
        if uri.startswith("/"):
            base = Path(uri.split("{date}", maxsplit=1)[0] + "x").parent
            uri = str(PurePosixPath(uri).relative_to(base))
        parts = PurePosixPath(uri.replace("{date}", partition)).parts
        if not parts or ".." in parts or any(ord(sign) < 32 for sign in uri):
            raise ConfigError(
                f"{shorten(repr(uri))} is no usable uri", where="model.yaml", remedy="name a file below the lake"
            )
        return base, parts


@contextmanager
def _opened(base: Path, parts: tuple[str, ...]) -> Iterator[BinaryIO]:
    """The file, reached one folder at a time, so that no link slips in between a check and its use."""
    where = str(base.joinpath(*parts))
    with ExitStack() as stack:
        try:
            handle = os.open(base, os.O_RDONLY | os.O_DIRECTORY)
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

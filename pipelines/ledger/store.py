"""Bytes by their md5: the DVC cache of this machine and the DVC remote behind it."""

from __future__ import annotations

import logging
import os
from collections.abc import Iterable, Iterator, Mapping
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Self

from pipelines.config.settings import Settings
from pipelines.errors import EvergreenError, IntegrityError, PassingFault, shorten
from pipelines.storage.files import write_bytes

_LOCAL_CONFIG = """\
[core]
    analytics = false
    autostage = false
    check_update = false
    site_cache_dir = {site}
    remote = store
{scm}[cache]
    dir = {cache}
    type = "hardlink,copy"
['remote "store"']
    url = {remote}
    verify = true
"""


@dataclass(frozen=True)
class Store:
    """The cache and the remote as one DVC repository object sees them."""

    repo: Any

    @classmethod
    def open(cls, settings: Settings, root: Path, *, scm: bool) -> Self:
        """The store seen from the folder `root`, which needs no Git repository unless `scm`.

        Raises:
            PassingFault: the cache's disk cannot be written.
        """
        config = _LOCAL_CONFIG.format(
            site=settings.home / "dvc",
            cache=settings.cache,
            remote=settings.dvc_remote,
            scm="" if scm else "    no_scm = true\n",
        )
        with passing("the DVC cache"):
            settings.cache.mkdir(parents=True, exist_ok=True)
            write_bytes(root / ".dvc" / ("config.local" if scm else "config"), config.encode(), durable=False)
            from dvc.repo import Repo

            # DVC tells its progress on standard output, which belongs to our callers; its faults reach us as errors.
            logging.getLogger("dvc").setLevel(logging.CRITICAL)
            logging.getLogger("dvc_data").addHandler(logging.NullHandler())
            return cls(Repo(str(root)))

    def close(self) -> None:
        """Close DVC's databases."""
        self.repo.close()

    def add(self, files: Mapping[str, Path]) -> None:
        """Copy `files`, by md5, into the cache. Copied and hashed again, for the source may change meanwhile."""
        with passing("the DVC cache"):
            paths = [str(path) for path in files.values()]
            self._cache.add(paths, _local(), list(files), hardlink=False, verify=True)

    def add_folder(self, entries: Mapping[str, tuple[str, int]]) -> tuple[str, int]:
        """Make the DVC directory of `{file name: (md5, bytes)}` in the cache; its md5 (`….dir`) and total bytes."""
        from dvc_data.hashfile.hash_info import HashInfo
        from dvc_data.hashfile.meta import Meta
        from dvc_data.hashfile.tree import Tree

        tree = Tree()
        for name, (md5, size) in sorted(entries.items()):
            tree.add((name,), Meta(size=size), HashInfo("md5", md5))
        tree.digest()
        with passing("the DVC cache"):
            self._cache.add(tree.path, tree.fs, tree.oid, hardlink=False)
        return str(tree.oid), sum(size for _, size in entries.values())

    def folder(self, oid: str) -> dict[str, str]:
        """File name to md5 of a DVC directory, fetched first where the cache lacks it; raises as `fetch` does."""
        from dvc_data.hashfile.hash_info import HashInfo
        from dvc_data.hashfile.tree import Tree

        self.fetch([oid])
        tree = Tree.load(self._cache, HashInfo("md5", oid))
        return {"/".join(key): info.value for key, _, info in tree}

    def cached(self, oid: str) -> Path:
        """Where the cache keeps, or would keep, an object."""
        return Path(self._cache.oid_to_path(oid))

    def push(self, oids: Iterable[str]) -> None:
        """Bring objects from the cache to the remote and see that each is there, in full.

        Raises:
            PassingFault: the remote cannot be reached or written; repeating it is safe.
            IntegrityError: an object is in neither of them.
        """
        wanted = list(dict.fromkeys(oids))
        with passing(f"the DVC remote {self._remote.path}"):
            failed = self._copy_out(wanted)
            if failed:
                raise PassingFault(
                    f"{failed} of {len(wanted)} objects did not arrive",
                    where=f"the DVC remote {self._remote.path}",
                    remedy="look at its disk and rights, then try again",
                )
            for oid in wanted:
                self._see_in_remote(oid)

    def fetch(self, oids: Iterable[str]) -> None:
        """Bring objects that the cache lacks from the remote, verified by their md5.

        Raises:
            PassingFault: the remote cannot be reached.
            IntegrityError: an object is not in the remote, or not what its name says.
        """
        lacking = [oid for oid in dict.fromkeys(oids) if not self.cached(oid).is_file()]
        if not lacking:
            return
        where = f"the DVC remote {self._remote.path}"
        with passing(where):
            if not self._remote.fs.exists(self._remote.path):
                raise PassingFault("is away", where=where, remedy="bring it back, then try again")
            for oid, error in self._copy_in(lacking).items():
                if not isinstance(error, FileNotFoundError):
                    raise PassingFault(f"object {oid} cannot be read: {error}", where=where, remedy="try again")
                raise IntegrityError(f"object {oid} is not there", where=where, remedy="restore it from a backup")
            for oid in lacking:
                if not self.cached(oid).is_file():
                    raise IntegrityError(
                        f"object {oid} holds other bytes than its name says",
                        where=where,
                        remedy="restore it from a backup",
                    )

    @property
    def _cache(self) -> Any:
        return self.repo.cache.local

    @property
    def _remote(self) -> Any:
        return self.repo.cloud.get_remote_odb()

    def _copy_in(self, oids: list[str]) -> dict[str, BaseException]:
        """Copy from the remote into the cache, where what has another md5 is thrown away; the errors by object."""
        # Not by DVC's transfer: it looks at the source first, and removes from the remote what it finds spoilt there.
        errors: dict[str, BaseException] = {}
        self._cache.add(
            [self._remote.oid_to_path(oid) for oid in oids],
            self._remote.fs,
            oids,
            verify=True,
            check_exists=False,
            on_error=errors.__setitem__,
        )
        return errors

    def _copy_out(self, oids: list[str]) -> int:
        from dvc_data.hashfile.hash_info import HashInfo
        from dvc_data.hashfile.transfer import transfer

        # Files before the directories that list them: who finds a directory may rely on its files.
        for kind in (False, True):
            some = {HashInfo("md5", oid) for oid in oids if oid.endswith(".dir") is kind}
            if not some:
                continue
            done = transfer(self._cache, self._remote, some, shallow=True, cache_odb=self._cache)
            if done.failed:
                return len(done.failed)
            if self._remote.fs.protocol == "local":
                _sync(Path(self._remote.oid_to_path(info.value)) for info in done.transferred)
        return 0

    def _see_in_remote(self, oid: str) -> None:
        path = self._remote.oid_to_path(oid)
        local = self.cached(oid)
        try:
            size = self._remote.fs.info(path)["size"]
        except FileNotFoundError:
            raise IntegrityError(
                f"object {oid} is neither in the cache nor there", where=path, remedy="run its stage again"
            ) from None
        if local.is_file() and local.stat().st_size != size:
            raise PassingFault(f"object {oid} has {size} bytes there", where=path, remedy="remove it and try again")


@contextmanager
def passing(what: str) -> Iterator[None]:
    """Tell faults of disks and networks from ours: they become PassingFault, our own errors pass as they are."""
    from dvc.exceptions import DvcException

    try:
        yield
    except EvergreenError:
        raise
    except (OSError, DvcException) as error:
        raise PassingFault(
            shorten(f"{type(error).__name__}: {error}", 160), where=what, remedy="look whether it can be reached"
        ) from error


def _sync(paths: Iterable[Path]) -> None:
    """See that files, and the names they go by, outlive a power cut: the ledger will name them as if they did."""
    written = list(paths)
    with ThreadPoolExecutor(8) as pool:  # the file system gathers what is asked at once into one journal write
        for wave in (written, list(dict.fromkeys(path.parent for path in written))):
            list(pool.map(_sync_one, wave))


def _sync_one(path: Path) -> None:
    handle = os.open(path, os.O_RDONLY)
    try:
        os.fsync(handle)
    finally:
        os.close(handle)


def _local() -> Any:
    from dvc.fs import localfs

    return localfs

"""The DVC remote behind the cache: our own transfer for S3, DVC's for a folder and whatever else it can reach."""

from __future__ import annotations

import os
from collections.abc import Iterable, Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Protocol

from pipelines.config.secrets import AWS, secret_file
from pipelines.config.settings import Settings
from pipelines.errors import EvergreenError, IntegrityError, PassingFault, shorten
from pipelines.storage.files import is_full, no_space
from pipelines.storage.s3 import is_s3


class Remote(Protocol):
    """Where objects are kept by their md5, for all machines."""

    @property
    def where(self) -> str:
        """Its name for people."""

    def push(self, oids: Sequence[str]) -> None:
        """Bring objects from the cache here, files before the directories that list them, and see that each is there.

        Raises:
            PassingFault: the remote cannot be reached or written; repeating it is safe.
            IntegrityError: an object is in neither of them.
        """

    def fetch(self, oids: Sequence[str]) -> None:
        """Bring objects into the cache; what is not as its md5 says stays out of it.

        Raises:
            PassingFault: the remote cannot be reached.
            IntegrityError: an object is not there.
        """


def open_remote(settings: Settings, repo: Any) -> Remote:
    """The remote that the settings name, for the cache of DVC's `repo`; raises ConfigError where it is no place."""
    if is_s3(settings.dvc_remote):
        from pipelines.ledger.remote_s3 import S3Remote

        return S3Remote.open(settings, repo)
    return DvcRemote(repo, settings.dvc_remote)


def section(settings: Settings) -> str:
    """The remote as DVC's `config.local` says it: with this deployment's address, and the place of its keys."""
    lines = {"url": settings.dvc_remote, "verify": "true"}
    if is_s3(settings.dvc_remote):
        lines["region"] = settings.s3.region
        if settings.s3.endpoint:
            lines["endpointurl"] = settings.s3.endpoint
        if found := secret_file(settings, AWS):
            lines["credentialpath"] = str(found)
    return "".join(["['remote \"store\"']\n", *(f"    {key} = {value}\n" for key, value in lines.items())])


@contextmanager
def passing(what: str) -> Iterator[None]:
    """Tell faults of disks and networks from ours: they become PassingFault, our own errors pass as they are."""
    from dvc.exceptions import DvcException

    try:
        yield
    except EvergreenError:
        raise
    except (OSError, DvcException) as error:
        if is_full(error):
            raise no_space(what) from error
        raise PassingFault(
            shorten(f"{type(error).__name__}: {error}", 160), where=what, remedy="look whether it can be reached"
        ) from error


@dataclass(frozen=True)
class DvcRemote:
    """A folder, or another kind of place that DVC itself speaks to."""

    repo: Any
    url: str

    @property
    def where(self) -> str:
        """Its name for people."""
        return f"the DVC remote {self.url}"

    def push(self, oids: Sequence[str]) -> None:
        """As `Remote.push`."""
        with passing(self.where):
            failed = self._copy_out(oids)
            if failed:
                raise PassingFault(
                    f"{failed} of {len(oids)} objects did not arrive",
                    where=self.where,
                    remedy="look at its disk and rights, then try again",
                )
            for oid in oids:
                self._see(oid)

    def fetch(self, oids: Sequence[str]) -> None:
        """As `Remote.fetch`."""
        with passing(self.where):
            if not self._odb.fs.exists(self._odb.path):
                raise PassingFault("is away", where=self.where, remedy="bring it back, then try again")
            for oid, error in self._brought(oids).items():
                if not isinstance(error, FileNotFoundError):
                    raise PassingFault(f"object {oid} cannot be read: {error}", where=self.where, remedy="try again")
                raise IntegrityError(f"object {oid} is not there", where=self.where, remedy="restore it from a backup")

    def _brought(self, oids: Sequence[str]) -> dict[str, BaseException]:
        """As `_copy_in`, with what retention has put on its shelf meanwhile."""
        errors = self._copy_in(oids)
        back = [oid for oid, error in errors.items() if isinstance(error, FileNotFoundError) and self._restored(oid)]
        return {oid: error for oid, error in errors.items() if oid not in back} | (self._copy_in(back) if back else {})

    def _restored(self, oid: str) -> bool:
        from pipelines.ledger.objects import FolderObjects

        return "://" not in self.url and FolderObjects(Path(self.url)).restore(oid)

    @property
    def _cache(self) -> Any:
        return self.repo.cache.local

    @property
    def _odb(self) -> Any:
        return self.repo.cloud.get_remote_odb()

    def _copy_in(self, oids: Sequence[str]) -> dict[str, BaseException]:
        """Copy from the remote into the cache, where what has another md5 is thrown away; the errors by object."""
        # Not by DVC's transfer: it looks at the source first, and removes from the remote what it finds spoilt there.
        errors: dict[str, BaseException] = {}
        self._cache.add(
            [self._odb.oid_to_path(oid) for oid in oids],
            self._odb.fs,
            list(oids),
            verify=True,
            check_exists=False,
            on_error=errors.__setitem__,
        )
        return errors

    def _copy_out(self, oids: Sequence[str]) -> int:
        from dvc_data.hashfile.hash_info import HashInfo
        from dvc_data.hashfile.transfer import transfer

        # Files before the directories that list them: who finds a directory may rely on its files.
        for kind in (False, True):
            some = {HashInfo("md5", oid) for oid in oids if oid.endswith(".dir") is kind}
            if not some:
                continue
            done = transfer(self._cache, self._odb, some, shallow=True, cache_odb=self._cache)
            if done.failed:
                return len(done.failed)
            if self._odb.fs.protocol == "local":
                _sync(Path(self._odb.oid_to_path(info.value)) for info in done.transferred)
        return 0

    def _see(self, oid: str) -> None:
        path, local = self._odb.oid_to_path(oid), Path(self._cache.oid_to_path(oid))
        if not self._odb.fs.exists(path):
            self._restored(oid)
        try:
            size = self._odb.fs.info(path)["size"]
        except FileNotFoundError:
            raise IntegrityError(
                f"object {oid} is neither in the cache nor there", where=path, remedy="run its stage again"
            ) from None
        if local.is_file() and local.stat().st_size != size:
            raise PassingFault(f"object {oid} has {size} bytes there", where=path, remedy="remove it and try again")


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

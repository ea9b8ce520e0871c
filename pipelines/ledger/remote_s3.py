"""The DVC remote on S3: DVC's own layout of keys, so that `dvc pull` reads it, by our own transfer in threads."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Self

from pipelines.config.settings import Settings
from pipelines.errors import IntegrityError
from pipelines.storage import s3_read, s3_write
from pipelines.storage.files import atomic_file
from pipelines.storage.s3 import S3, S3Place, at_once
from pipelines.storage.s3_faults import ObjectMissing

_READ_ONLY = 0o444  # what DVC takes as verified


@dataclass(frozen=True)
class S3Remote:
    """Objects at `<place>/files/md5/aa/bbbb…`; `cached` says where the cache keeps, or would keep, one."""

    s3: S3
    place: S3Place
    cached: Callable[[str], Path]

    @classmethod
    def open(cls, settings: Settings, repo: Any) -> Self:
        """The remote of `settings` for the cache of DVC's `repo`; nothing is asked of it yet.

        Raises:
            ConfigError: it is no place on S3, or the secret of its keys is unusable.
        """
        place = S3Place.parse(settings.dvc_remote, "EVERGREEN_DVC_REMOTE")
        return cls(S3.open(settings), place, lambda oid: Path(repo.cache.local.oid_to_path(oid)))

    @property
    def where(self) -> str:
        """Its name for people."""
        return f"the DVC remote {self.place}"

    def push(self, oids: Sequence[str]) -> None:
        """As `Remote.push`. What is there, of the right size, is not sent again."""
        # Files before the directories that list them: who finds a directory may rely on its files.
        for kind in (False, True):
            at_once(self._push, [oid for oid in oids if oid.endswith(".dir") is kind])

    def fetch(self, oids: Sequence[str]) -> None:
        """As `Remote.fetch`."""
        at_once(self._fetch, oids)

    def _push(self, oid: str) -> None:
        place, local = self._object(oid), self.cached(oid)
        if self._seen(place, local):
            return
        if not local.is_file():
            raise IntegrityError(
                f"object {oid} is neither in the cache nor there", where=str(place), remedy="run its stage again"
            )
        s3_write.put_new(self.s3, place, local, md5=oid.removesuffix(".dir"))
        if not self._seen(place, local):
            raise IntegrityError(
                f"object {oid} was taken and is not there", where=str(place), remedy="see what removes it"
            )

    def _seen(self, place: S3Place, local: Path) -> bool:
        found = self.s3.head(place)
        if found is not None and local.is_file() and local.stat().st_size != found.size:
            raise IntegrityError(
                f"has {found.size} bytes there, {local.stat().st_size} here",
                where=str(place),
                remedy="remove the one that is not as its name says, then try again",
            )
        return found is not None

    def _fetch(self, oid: str) -> None:
        from pipelines.ledger.objects import S3Objects

        try:
            self._copy_in(oid)
        except ObjectMissing:
            if not S3Objects(self.s3, self.place).restore(oid):
                remedy = "restore it from a backup"
                raise IntegrityError(f"object {oid} is not there", where=self.where, remedy=remedy) from None
            self._copy_in(oid)

    def _copy_in(self, oid: str) -> None:
        with atomic_file(self.cached(oid), durable=False) as temporary:
            copied = s3_read.fetch(self.s3, self._object(oid), temporary, algorithm="md5")
            if copied.digest != oid.removesuffix(".dir"):
                raise IntegrityError(
                    f"object {oid} holds other bytes than its name says",
                    where=self.where,
                    remedy="restore it from a backup",
                )
            temporary.chmod(_READ_ONLY)

    def _object(self, oid: str) -> S3Place:
        return self.place.below("files", "md5", oid[:2], oid[2:])

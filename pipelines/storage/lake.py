"""The lake partitions come from: never written to, and never trusted to hold what it promises."""

from __future__ import annotations

import os
from collections.abc import Iterable
from dataclasses import dataclass, replace
from pathlib import Path, PurePosixPath

from pipelines.config import names
from pipelines.config.model import Table
from pipelines.config.settings import Settings
from pipelines.errors import ConfigError, shorten
from pipelines.storage import lake_folder, s3_read
from pipelines.storage.files import atomic_file
from pipelines.storage.lake_folder import FolderPlace, PartitionMissing, PartitionRefused
from pipelines.storage.s3 import S3, S3Place, is_s3
from pipelines.storage.s3_faults import ObjectMissing, ObjectRefused

__all__ = ["Fetched", "PartitionMissing", "PartitionRefused", "Source"]
Place = FolderPlace | S3Place


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
    """The folder or `s3://` prefix that relative URIs of tables are below; absolute ones name either themselves."""

    settings: Settings

    @property
    def lake(self) -> str:
        """What relative URIs are below."""
        return self.settings.lake

    def where(self, table: Table, partition: str) -> str:
        """Where `partition` (`YYYY-MM-DD` or `static`) of `table` should lie, for people.

        Raises:
            ConfigError: no legal partition name, or a URI of a kind that cannot be read.
        """
        place = self._place(table.uri, names.partition_name(partition))
        return str(place if isinstance(place, S3Place) else place.path)

    def present(self, table: Table, partitions: Iterable[str]) -> list[str]:
        """Those of `partitions` at whose place anything is; raises as `where` does, or PassingFault."""
        places = {name: self._place(table.uri, names.partition_name(name)) for name in partitions}
        keys: set[str] = set()
        first = next(iter(places.values()), None)
        if isinstance(first, S3Place):
            # One list of what begins alike is fewer requests than a look at each.
            known = [place.key for place in places.values() if isinstance(place, S3Place)]
            prefix = replace(first, key=os.path.commonprefix(known))  # noqa: RUF071 - of characters, as S3 means it
            keys = {found.place.key for found in S3.open(self.settings).list(prefix)}
        return [
            name
            for name, place in places.items()
            if (place.key in keys if isinstance(place, S3Place) else os.path.lexists(place.path))
        ]

    def fetch(self, table: Table, partition: str, target: Path, cap: int) -> Fetched:
        """Copy `partition` of `table` to the file `target`, at most `cap` bytes of it, hashing the whole.

        Raises:
            PartitionMissing: there is none.
            PartitionRefused: a symbolic link on the way, no ordinary file, or no right to read it.
            ConfigError: there is no such bucket, or S3 knows our keys not at all.
            PassingFault: it changed while it was read, or reading failed.
        """
        place = self._place(table.uri, names.partition_name(partition))
        found = (
            _fetch_object(S3.open(self.settings), place, target, cap)
            if isinstance(place, S3Place)
            else lake_folder.fetch(place, target, cap)
        )
        uri = table.uri.replace("{date}", partition)
        return Fetched(target, uri, found.digest, found.bytes, found.etag, whole=found.bytes <= cap)

    def readable(self, table: Table, partition: str, scratch: Path, cap: int) -> Path | None:
        """The file of `partition` where it lies, or a copy below `scratch` where that is no folder; None: no file.

        Raises:
            PartitionMissing, PartitionRefused, ConfigError, PassingFault: as `fetch`.
        """
        place = self._place(table.uri, names.partition_name(partition))
        if isinstance(place, FolderPlace):
            return place.path if place.path.is_file() else None
        target = scratch.joinpath(place.bucket, *place.key.split("/"))
        fetched = self.fetch(table, partition, target, cap)
        if not fetched.whole:
            raise PartitionRefused(f"has {fetched.bytes} bytes, over {cap}", where=str(place), remedy="see max_bytes")
        return fetched.path

    def _place(self, uri: str, partition: str) -> Place:
        setting = "model.yaml" if "://" in uri or uri.startswith("/") else "EVERGREEN_LAKE"
        named = uri.replace("{date}", partition)
        if is_s3(uri) and "{date}" not in uri.split("/")[2]:
            return S3Place.parse(named, setting)
        parts = PurePosixPath(named).parts
        if "://" in uri or not parts or ".." in parts or any(ord(sign) < 32 for sign in uri):
            raise _unusable(uri, "model.yaml")
        if uri.startswith("/"):
            base = Path(uri.split("{date}", maxsplit=1)[0] + "x").parent
            return FolderPlace(base, PurePosixPath(named).relative_to(base).parts)
        if is_s3(self.lake):
            return S3Place.parse(self.lake, setting).below(*parts)
        if "://" in self.lake:
            raise _unusable(self.lake, setting)
        return FolderPlace(Path(self.lake), parts)


def _fetch_object(s3: S3, place: S3Place, target: Path, cap: int) -> s3_read.Copied:
    try:
        with atomic_file(target, durable=False) as temporary:
            return s3_read.fetch(s3, place, temporary, cap=cap)
    except ObjectMissing as error:
        remedy = "deliver it, then ingest again"
        raise PartitionMissing("there is no such partition", where=error.where, remedy=remedy) from None
    except ObjectRefused as error:
        raise PartitionRefused(error.what, where=error.where, remedy=error.remedy) from None


def _unusable(uri: str, where: str) -> ConfigError:
    remedy = "name a folder or s3://bucket/prefix; in model.yaml a file below it"
    return ConfigError(f"{shorten(repr(uri))} cannot be read", where=where, remedy=remedy)

"""Files that are written once and never replaced: below a folder, or below a prefix on S3."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

from pipelines.config.settings import Settings
from pipelines.errors import IntegrityError
from pipelines.storage.files import keep_file
from pipelines.storage.s3 import S3, S3Place, is_s3


@dataclass(frozen=True)
class Once:
    """The place `root` that the setting `setting` names."""

    settings: Settings
    root: str
    setting: str

    def where(self, name: str) -> str:
        """The whole name of the file `name` (`a/b.parquet`), for people and records."""
        return f"{self.root.rstrip('/')}/{name}"

    def keep(self, name: str, source: Path) -> bool:
        """Put `source` at `name` unless something stands there, which stays as it is; whether it was put.

        Raises:
            ConfigError: no such bucket, wrong keys, a server without conditional writes.
            PassingFault: S3 cannot be reached, or the disk is full; repeating it is safe.
        """
        if not is_s3(self.root):
            return keep_file(source, Path(self.where(name)))
        from pipelines.storage.s3_write import put_new

        s3, place = S3.open(self.settings), self._place(name)
        if s3.head(place) is not None:
            return False
        try:
            return put_new(s3, place, source)
        except IntegrityError:  # another process was first; what it put is what counts
            return False

    def bring(self, name: str, scratch: Path) -> Path | None:
        """The file `name` to read, copied into the folder `scratch` where it lies on S3; None: there is none.

        Raises:
            ConfigError: our keys may not read it.
            PassingFault: S3 cannot be reached.
        """
        if not is_s3(self.root):
            path = Path(self.where(name))
            return path if path.is_file() else None
        from pipelines.storage.s3_faults import ObjectMissing
        from pipelines.storage.s3_read import fetch

        target = scratch / name.replace("/", "_")
        try:
            fetch(S3.open(self.settings), self._place(name), target)
        except ObjectMissing:
            return None
        return target

    def _place(self, name: str) -> S3Place:
        return S3Place.parse(self.root, self.setting).below(*name.split("/"))

"""Fills a lake on S3 from a folder, as a data team would."""

from __future__ import annotations

from pathlib import Path

from pipelines.config.settings import Settings
from pipelines.storage.s3 import S3, S3Place, at_once
from pipelines.storage.s3_write import put_new


def deliver(settings: Settings, folder: Path) -> int:
    """Put the files below `folder`, but hidden ones, into the lake under the same names; how many were not there yet.

    Raises:
        ConfigError: the lake is not on S3, or cannot be written with these keys.
        IntegrityError: other bytes stand under one of the names; they are kept.
        PassingFault: S3 cannot be reached; repeating it is safe.
    """
    s3, lake = S3.open(settings), S3Place.parse(settings.lake, "EVERGREEN_LAKE")
    files = sorted(path for path in folder.rglob("*") if path.is_file() and not path.name.startswith("."))
    return sum(at_once(lambda path: put_new(s3, lake.below(*path.relative_to(folder).parts), path), files))

"""Files of predictions: all of a model, those grown too old, and their removal; in a folder or on S3."""

from __future__ import annotations

import re
from collections.abc import Collection, Iterator
from dataclasses import dataclass
from datetime import date, timedelta
from pathlib import Path

from pipelines.config.settings import Settings
from pipelines.ledger.remotes import passing
from pipelines.storage.s3 import S3, S3Place, is_s3

_DAY = re.compile(r"date=(\d{4}-\d{2}-\d{2})/[^/]+\.parquet\Z", re.ASCII)
_SAMPLE = re.compile(r"reference/([^/]+)\.parquet\Z", re.ASCII)


@dataclass(frozen=True)
class Found:
    """A file by its name below the model's folder, and its bytes."""

    name: str
    bytes: int

    @property
    def day(self) -> date | None:
        """The day whose predictions or features it holds; None: it is a sample of training rows."""
        match = _DAY.match(self.name)
        return date.fromisoformat(match[1]) if match else None


def files(settings: Settings, model: str) -> Iterator[Found]:
    """Every file of predictions, features and samples of `model`."""
    for name, size in _on_s3(settings, model) if is_s3(settings.predictions) else _in_folder(settings, model):
        if _DAY.match(name) or _SAMPLE.match(name):
            yield Found(name, size)


def oldest(newest: date | None, days: int) -> date:
    """The first day whose predictions are kept: `days` before the `newest` day of data; without one, the first ever."""
    return newest - timedelta(days=days) if newest else date.min


def outlived(found: Collection[Found], newest: date | None, days: int, ended: Collection[str]) -> list[Found]:
    """Those of `found` more than `days` before the `newest` day of data, and the samples of runs that have `ended`."""
    limit = oldest(newest, days)
    old = [item for item in found if item.day is not None and item.day < limit]
    return old + [item for item in found if (match := _SAMPLE.match(item.name)) and match[1] in ended]


def remove(settings: Settings, model: str, found: Collection[Found]) -> None:
    """Remove files; what is gone already is no fault."""
    for item in found:
        if is_s3(settings.predictions):
            from pipelines.storage.s3_shelf import remove as remove_object

            remove_object(S3.open(settings), _prefix(settings, model).below(*item.name.split("/")))
        else:
            with passing("the predictions"):
                (Path(settings.predictions) / model / item.name).unlink(missing_ok=True)


def _in_folder(settings: Settings, model: str) -> Iterator[tuple[str, int]]:
    root = Path(settings.predictions) / model
    for path in sorted(root.glob("*/*.parquet")):
        yield path.relative_to(root).as_posix(), path.stat().st_size


def _on_s3(settings: Settings, model: str) -> Iterator[tuple[str, int]]:
    from pipelines.storage.s3_shelf import listed

    prefix = _prefix(settings, model)
    for key, size, _ in listed(S3.open(settings), prefix):
        yield key.removeprefix(f"{prefix.key}/"), size


def _prefix(settings: Settings, model: str) -> S3Place:
    return S3Place.parse(settings.predictions, "EVERGREEN_PREDICTIONS").below(model)

"""Putting what was drafted where it belongs: whole folders, never over something that is there already."""

from __future__ import annotations

import os
import secrets
import shutil
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path

from pipelines.authoring.source import Events
from pipelines.config.settings import Settings
from pipelines.errors import ConfigError
from pipelines.storage.files import sha256_file, short, write_bytes


def lake_folder(settings: Settings, table: str) -> Path:
    """Where the table's partitions go; raises ConfigError where the lake is no folder."""
    if "://" in settings.lake:
        raise ConfigError(
            "this lake is no folder: partitions cannot be laid out in it",
            where="EVERGREEN_LAKE",
            remedy="draft into an embedded lake, then copy the partitions",
        )
    return Path(settings.lake) / table


def write_partitions(folder: Path, events: Events, say: Callable[[str], None]) -> int:
    """Write one file a day into the new `folder` and give their number.

    A folder of the very same files, left by a draft that was cut short, is taken as it is.

    Raises:
        ConfigError: the folder is there and holds something else.
    """
    from pipelines.storage.parquet import write_table

    say(f"writing {len(events.days)} daily partitions to {short(folder)}")
    with _beside(folder) as temporary:
        for day, rows in events.partitions():
            write_table(temporary / f"{day}.parquet", rows.combine_chunks())
        if folder.is_dir() and not folder.is_symlink() and _digests(folder) == _digests(temporary):
            say(f"{short(folder)} holds these partitions already")
        else:
            _settle(temporary, folder, "a lake folder of this name")
    return len(events.days)


def write_folder(folder: Path, files: dict[str, str]) -> None:
    """Write the text `files` into the new `folder`; raises ConfigError if it is there already."""
    with _beside(folder) as temporary:
        for name, text in files.items():
            write_bytes(temporary / name, text.encode())
        _settle(temporary, folder, "a model of this name")


def refuse_existing(folder: Path, what: str) -> None:
    """Raises ConfigError if anything, be it a link to nowhere, has the name of `folder`."""
    if os.path.lexists(folder):
        raise ConfigError(f"{what} is there already", where=short(folder), remedy="choose another name, or remove it")


@contextmanager
def _beside(path: Path) -> Iterator[Path]:
    """A hidden folder beside `path`, gone at the end unless it was renamed."""
    path.parent.mkdir(parents=True, exist_ok=True)
    temporary = path.with_name(f".{path.name}.{os.getpid()}-{secrets.token_hex(4)}.tmp")
    try:
        temporary.mkdir()
        yield temporary
    finally:
        shutil.rmtree(temporary, ignore_errors=True)


def _settle(temporary: Path, path: Path, what: str) -> None:
    refuse_existing(path, what)
    temporary.rename(path)  # overwrites nothing: it fails where a folder with something in it has come in between


def _digests(folder: Path) -> dict[str, str]:
    return {path.name: sha256_file(path) for path in sorted(folder.iterdir()) if path.is_file()}

"""Files that are either wholly there or not at all: temporary name, fsync, rename."""

from __future__ import annotations

import errno
import hashlib
import json
import os
import secrets
import shutil
import sqlite3
from collections.abc import Iterator
from contextlib import contextmanager
from datetime import date
from pathlib import Path
from typing import Any

from pipelines.errors import IntegrityError, PassingFault, UnreadableRecord
from pipelines.storage.bounded import parse_json

BLOCK = 1 << 20


def sha256_bytes(data: bytes) -> str:
    """The sha256 of `data`, in hex."""
    return hashlib.sha256(data).hexdigest()


def sha256_file(path: Path) -> str:
    """The sha256 of the file at `path`, in hex, read once in blocks."""
    with path.open("rb") as file:
        return hashlib.file_digest(file, "sha256").hexdigest()


def write_bytes(path: Path, data: bytes, *, durable: bool = True) -> None:
    """Put `data` at `path` in one step. Without `durable` a power cut may lose it, though never halve it.

    Raises:
        PassingFault: the disk is full; what stood at `path` is as it was.
    """
    with atomic_file(path, durable=durable) as temporary:
        temporary.write_bytes(data)


def write_json(path: Path, value: Any) -> None:
    """Put `value` at `path` as JSON with sorted keys, the same bytes for the same value; NaN is refused."""
    write_bytes(path, json_bytes(value))


def json_bytes(value: Any) -> bytes:
    """`value` as UTF-8 JSON with sorted keys and a closing newline; dates as ISO text."""
    text = json.dumps(value, indent=1, sort_keys=True, ensure_ascii=False, allow_nan=False, default=_plain)
    return f"{text}\n".encode()


def read_json(path: Path) -> Any:
    """The JSON value in `path`.

    Raises:
        IntegrityError: the file is not there, is not JSON, or is beyond what any of ours is.
    """
    try:
        return parse_json(path.read_bytes(), short(path))
    except FileNotFoundError:
        raise IntegrityError("is missing", where=short(path), remedy="run the stage that writes it") from None
    except UnreadableRecord as error:
        raise UnreadableRecord(error.what, where=short(path), remedy="remove it and run its stage again") from None


@contextmanager
def atomic_file(path: Path, *, durable: bool = True) -> Iterator[Path]:
    """A temporary path beside `path` that takes its place when the block ends well, and is removed when not."""
    path.parent.mkdir(parents=True, exist_ok=True)
    temporary = _temporary(path)
    try:
        yield temporary
        if durable:
            _sync(temporary)
        temporary.replace(path)
        if durable:
            _sync(path.parent)
    except OSError as error:
        raise _fault(error, path) from error
    finally:
        temporary.unlink(missing_ok=True)


def keep_file(source: Path, target: Path) -> bool:
    """Copy `source` to `target` in one step, unless something stands there: that stays, and the answer is False.

    Raises:
        PassingFault: the disk is full.
    """
    target.parent.mkdir(parents=True, exist_ok=True)
    temporary = _temporary(target)
    try:
        shutil.copyfile(source, temporary)
        _sync(temporary)
        os.link(temporary, target)  # a rename would replace what another process put there meanwhile
        _sync(target.parent)
    except FileExistsError:
        return False
    except OSError as error:
        raise _fault(error, target) from error
    finally:
        temporary.unlink(missing_ok=True)
    return True


@contextmanager
def atomic_folder(path: Path) -> Iterator[Path]:
    """A temporary folder that takes the place of `path`, whatever stood there, when the block ends well."""
    path.parent.mkdir(parents=True, exist_ok=True)
    temporary, old = _temporary(path), _temporary(path)
    try:
        temporary.mkdir()
        yield temporary
        for file in temporary.rglob("*"):
            if file.is_file():
                _sync(file)
        if path.exists():
            path.rename(old)
        temporary.rename(path)
        _sync(path.parent)
    except OSError as error:
        raise _fault(error, path) from error
    finally:
        shutil.rmtree(temporary, ignore_errors=True)
        shutil.rmtree(old, ignore_errors=True)


@contextmanager
def full_disk(where: str) -> Iterator[None]:
    """A full disk becomes a PassingFault, whichever library ran into it; all else goes on as it is."""
    try:
        yield
    except (OSError, sqlite3.OperationalError) as error:
        if not is_full(error):
            raise
        raise no_space(short(Path(where))) from error


def is_full(error: BaseException | None) -> bool:
    """Whether a full disk, or quota, is the error or what lies behind it."""
    while error is not None:
        if isinstance(error, OSError) and error.errno in (errno.ENOSPC, errno.EDQUOT):
            return True
        # DVC keeps what it knows of files in a database of SQLite's.
        if isinstance(error, sqlite3.OperationalError) and "disk is full" in str(error):
            return True
        error = error.__cause__ or error.__context__
    return False


def no_space(where: str) -> PassingFault:
    """What to say of it."""
    return PassingFault("no space left on the disk", where=where, remedy="free some space and try again")


def short(path: Path) -> str:
    """The last parts of `path`, enough to find it by, for messages."""
    return "/".join(path.parts[-3:]) if len(path.parts) > 3 else str(path)


def _temporary(path: Path) -> Path:
    return path.with_name(f".{path.name}.{os.getpid()}-{secrets.token_hex(4)}.tmp")


def _sync(path: Path) -> None:
    handle = os.open(path, os.O_RDONLY)
    try:
        os.fsync(handle)
    finally:
        os.close(handle)


def _fault(error: OSError, path: Path) -> Exception:
    return no_space(short(path)) if is_full(error) else error


def _plain(value: object) -> str:
    if isinstance(value, date):
        return value.isoformat()
    raise TypeError(f"{type(value).__name__} has no JSON form")

"""Lake, DVC remote and predictions: folders or S3, by really writing and reading there."""

from __future__ import annotations

import os
import secrets
from contextlib import suppress
from datetime import UTC, datetime, timedelta
from functools import partial
from pathlib import Path

from pipelines.config.load import load_model, model_folders
from pipelines.config.settings import Settings
from pipelines.doctor.base import Check, Finding, fail, ok, warn
from pipelines.errors import ConfigError
from pipelines.storage import s3_probe
from pipelines.storage.files import write_bytes
from pipelines.storage.s3 import S3, S3Place, is_s3
from pipelines.storage.s3_faults import ObjectRefused, Taken

FOLDER = "doctor"
ABANDONED = timedelta(days=1)
_OTHER_SERVER = "use a server that honours If-None-Match: here two writers would replace each other's objects"


def checks(settings: Settings) -> list[Check]:
    """The checks of this family: a line for each place that is read from or written to."""
    return [
        *(Check("lake", partial(readable, settings, lake)) for lake in _lakes(settings)),
        Check("DVC remote", partial(remote, settings)),
        Check("predictions", partial(writable, settings, settings.predictions, "EVERGREEN_PREDICTIONS")),
    ]


def readable(settings: Settings, lake: str) -> Finding:
    """Partitions can be listed and read."""
    if not is_s3(lake):
        names = sorted(os.listdir(lake)) if Path(lake).is_dir() else None  # noqa: PTH208 - names are all we want
        if names is None:
            return fail(
                f"{lake} is not a folder", "mount it, or name it in EVERGREEN_LAKE; `make demo` lays out the demo's"
            )
        return ok(f"{lake}, {len(names)} entries") if names else warn(f"{lake} is empty", "see that it is mounted")
    place = S3Place.parse(lake, "EVERGREEN_LAKE")
    s3 = S3.open(settings)
    found = s3_probe.first(s3, place)
    if found is None:
        return warn(f"{place} at {s3.endpoint} is empty", "see that EVERGREEN_LAKE names the right prefix")
    s3_probe.read(s3, found, 1)
    return ok(f"{place} at {s3.endpoint} can be listed and read")


def remote(settings: Settings) -> Finding:
    """As `writable`; a folder that is missing though there are ledgers is away, not new."""
    place = settings.dvc_remote
    if "://" not in place and not Path(place).exists() and any(settings.mirrors.glob("*.git/evergreen-url")):
        return fail(f"{place} is away, and ledgers name bytes in it", "bring it back", passing=True)
    return writable(settings, place, "EVERGREEN_DVC_REMOTE")


def writable(settings: Settings, place: str, setting: str) -> Finding:
    """A probe can be written, read back with the same bytes, and deleted; on S3 nobody can write it twice."""
    if is_s3(place):
        s3 = S3.open(settings)
        return _object(s3, S3Place.parse(place, setting))
    if "://" in place:
        return warn(f"{place} is no folder and not on S3", f"nothing is known about it; set {setting} to one of these")
    return _folder(Path(place), setting)


def _folder(folder: Path, setting: str) -> Finding:
    if not folder.exists():
        above = next(parent for parent in folder.parents if parent.exists())
        if above.is_dir() and os.access(above, os.W_OK | os.X_OK):
            return ok(f"{folder} is made when something is first written")
        return fail(f"{folder} cannot be made in {above}", f"make it, or name another in {setting}")
    if not folder.is_dir():
        return fail(f"{folder} is no folder", f"move away what stands there, or name another in {setting}")
    data, probe = secrets.token_bytes(64), folder / FOLDER / secrets.token_hex(8)
    try:
        write_bytes(probe, data)
        same = probe.read_bytes() == data
    finally:
        probe.unlink(missing_ok=True)
        with suppress(OSError):  # another doctor's probe is in it, or it was never made
            probe.parent.rmdir()
    if not same:
        return fail(f"{folder} gave back other bytes than were written", "check its disk")
    return ok(f"{folder}: written, read back, deleted")


def _object(s3: S3, place: S3Place) -> Finding:
    data, probe = secrets.token_bytes(64), place.below(FOLDER, secrets.token_hex(8))
    s3_probe.put(s3, probe, data)
    try:
        problem = _faults(s3, probe, data)
    finally:
        removed = _removed(s3, probe)
    if problem:
        return problem
    if not removed:
        return warn(f"{probe} cannot be deleted", f"fine if these keys shall not; let a rule expire {FOLDER}/")
    old = s3_probe.uploads_before(s3, place, datetime.now(UTC) - ABANDONED)
    if old:
        remedy = "let a lifecycle rule abort uploads after a day (AbortIncompleteMultipartUpload)"
        return warn(f"{len(old)} uploads were begun over a day ago and never ended, first {old[0]}", remedy)
    return ok(f"{place} at {s3.endpoint}: written once only, read back, deleted")


def _faults(s3: S3, probe: S3Place, data: bytes) -> Finding | None:
    if s3_probe.read(s3, probe, len(data) + 1) != data:
        return fail(f"{probe} gave back other bytes than were written", "see what changes them on the way")
    try:
        s3_probe.put(s3, probe, b"a second writer")
    except Taken:
        return None
    return fail(f"{s3.endpoint} ignores If-None-Match: {probe.bucket} let a second writer win", _OTHER_SERVER)


def _removed(s3: S3, probe: S3Place) -> bool:
    try:
        s3_probe.remove(s3, probe)
    except ObjectRefused:
        return False
    return s3.head(probe) is None


def _lakes(settings: Settings) -> list[str]:
    """Where the models' tables are: below EVERGREEN_LAKE, or what their own addresses have in common for all days."""
    found: dict[str, None] = {}
    for folder in model_folders(settings.models) if settings.models.is_dir() else []:
        try:
            tables = load_model(folder).tables.values()
        except ConfigError:
            continue  # told by the check of the models
        for table in tables:
            own = is_s3(table.uri) or table.uri.startswith("/")
            found[table.uri.partition("{date}")[0].rpartition("/")[0] if own else settings.lake] = None
    return list(found) or [settings.lake]

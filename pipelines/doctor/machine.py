"""This machine: its disk, its clock against the servers', Git and the Python packages."""

from __future__ import annotations

import os
import re
import secrets
import shutil
import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from functools import partial
from importlib.metadata import PackageNotFoundError, distribution, distributions
from pathlib import Path

from pipelines.config.settings import PROJECT, Settings
from pipelines.doctor.base import Check, Finding, fail, ok, public, warn
from pipelines.doctor.web import ask
from pipelines.errors import PassingFault
from pipelines.ledger.command import GitFailed, git
from pipelines.storage.s3 import endpoint_name, is_s3

MB, GB = 10**6, 10**9
SKEW_WARN, SKEW_FAIL = 60.0, 300.0
OLDEST_GIT = (2, 30)
LOCK = PROJECT / "requirements.lock"


@dataclass(frozen=True)
class Usage:
    """Bytes and inodes of a disk; no inodes where its file system does not count them."""

    total: int
    free: int
    inodes: int
    free_inodes: int


def checks(settings: Settings) -> list[Check]:
    """The checks of this family."""
    return [
        *(Check(f"clock {name}", partial(clock, url)) for name, url in _servers(settings)),
        Check("disk", partial(disk, settings.home)),
        Check("hard links", partial(hard_links, settings)),
        Check("git", git_version),
        Check("packages", packages),
    ]


def clock(url: str) -> Finding:
    """Our clock against the Date of a server's answer."""
    before = time.time()
    try:
        answer = ask(url)
    except PassingFault as error:
        return warn(f"not compared: {error.what}", error.remedy)
    if answer.sent is None:
        return warn(f"not compared: {public(url)} sends no Date", "compare its clock by hand")
    # Date has no fractions of a second: half of one is what it lacks on average.
    skew = (before + time.time()) / 2 - answer.sent - 0.5
    told = f"{abs(skew):.0f} s {'ahead of' if skew > 0 else 'behind'} {public(url)}"
    remedy = "set both clocks by NTP; S3 refuses requests from 15 minutes on"
    if abs(skew) > SKEW_FAIL:
        return fail(told, remedy)
    return warn(told, remedy) if abs(skew) > SKEW_WARN else ok(f"agrees with {public(url)}")


def measured(folder: Path) -> Usage:
    """The usage of the disk that holds `folder`."""
    bytes_, inodes = shutil.disk_usage(folder), os.statvfs(folder)
    return Usage(bytes_.total, bytes_.free, inodes.f_files, inodes.f_favail)


def disk(home: Path, measure: Callable[[Path], Usage] = measured) -> Finding:
    """Room for bytes and files where everything of this machine is."""
    found = measure(_existing(home))
    told = f"{found.free / GB:.1f} of {found.total / GB:.0f} GB free for {home}"
    remedy = "free some: old `workspaces` of finished runs and `cache` are made again when needed"
    if found.free < 500 * MB:
        return fail(told, remedy)
    if found.free < 2 * GB or found.free < found.total / 10:
        return warn(told, remedy)
    if found.inodes and found.free_inodes < found.inodes / 100:
        return fail(f"{found.free_inodes} of {found.inodes} inodes free for {home}", remedy)
    if found.inodes and found.free_inodes < found.inodes / 10:
        return warn(f"{found.free_inodes} of {found.inodes} inodes free for {home}", remedy)
    return ok(told)


def hard_links(settings: Settings) -> Finding:
    """What is written below home can be, and files of the cache can be linked into workspaces."""
    for folder in (settings.cache, settings.workspaces, settings.mirrors, settings.artifacts):
        above = _existing(folder)
        if not above.is_dir():
            return fail(f"{above} is no folder", "move away what stands there")
    name = f".doctor-{secrets.token_hex(8)}"
    file, link = _existing(settings.cache) / name, _existing(settings.workspaces) / f"{name}-link"
    try:
        file.write_bytes(b"doctor")
        try:
            os.link(file, link)
        except OSError as error:
            told = f"{settings.cache} and {settings.workspaces}: {error.strerror}"
            return warn(f"{told}; every file is copied", "put both on one file system that knows hard links")
    finally:
        for path in (file, link):
            path.unlink(missing_ok=True)
    return ok(f"from {settings.cache.name} to {settings.workspaces.name}")


def git_version() -> Finding:
    """Git is there and new enough."""
    wanted = ".".join(map(str, OLDEST_GIT))
    try:
        told = git(None, "--version", timeout=5).decode().strip()
    except GitFailed as error:
        return fail(error.what, f"install Git {wanted} or newer")
    found = re.search(r"(\d+)\.(\d+)", told)
    if found is None or (int(found[1]), int(found[2])) < OLDEST_GIT:
        return fail(told, f"install Git {wanted} or newer")
    return ok(told)


def packages(lock: Path = LOCK) -> Finding:
    """The installed packages are those of the lock. An image holds a part of them: there none is missed."""
    from packaging.utils import canonicalize_name

    if not lock.is_file():
        return warn(f"{lock} is missing", "bring it back from the repository")
    installed = {canonicalize_name(item.name): item.version for item in distributions() if item.name}
    wanted = {canonicalize_name(name): version for name, version in _locked(lock)}
    wrong = [
        f"{name} {installed[name]}, locked {pin}" for name, pin in wanted.items() if installed.get(name, pin) != pin
    ]
    missing = [f"{name} is missing" for name in wanted if name not in installed] if _whole() else []
    if wrong or missing:
        told = "; ".join([*wrong, *missing][:3])
        return warn(f"{len(wrong)} differ, {len(missing)} missing: {told}", "`make env` installs what is locked")
    return ok(f"{sum(name in installed for name in wanted)} as {lock.name} says")


def _locked(lock: Path) -> Iterator[tuple[str, str]]:
    """Name and version of every package that the lock wants on this kind of machine."""
    from packaging.requirements import Requirement

    for line in lock.read_text(encoding="utf-8").splitlines():
        if line[:1].isalnum():
            found = Requirement(line.removesuffix("\\").strip())
            if found.marker is None or found.marker.evaluate():
                yield found.name, str(found.specifier).removeprefix("==")


def _whole() -> bool:
    """Whether the whole lock was to be installed: then Evergreen itself is, as a package."""
    try:
        distribution("evergreen")
    except PackageNotFoundError:
        return False
    return True


def _servers(settings: Settings) -> Iterator[tuple[str, str]]:
    """The servers that have a clock, and an address of each."""
    if any(map(is_s3, (settings.lake, settings.dvc_remote, settings.predictions))):
        endpoint = settings.s3.endpoint and endpoint_name(settings.s3)
        yield "S3", endpoint or f"https://s3.{settings.s3.region}.amazonaws.com"
    if settings.mlflow_uri.startswith("http"):
        yield "MLflow", f"{settings.mlflow_uri.rstrip('/')}/health"
    if settings.ledgers.startswith("http"):
        yield "ledgers", settings.ledgers


def _existing(path: Path) -> Path:
    """`path`, or of what is above it the nearest that exists."""
    return next(found for found in (path, *path.parents) if found.exists())

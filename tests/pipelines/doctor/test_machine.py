"""Disk, links, clock, Git and packages of this machine, and secrets and models as they are configured."""

from __future__ import annotations

import errno
import os
import time
from dataclasses import replace
from email.utils import formatdate
from pathlib import Path

import pytest

from pipelines.config.settings import Settings
from pipelines.doctor import configured, machine
from pipelines.doctor.base import Mark
from pipelines.doctor.machine import GB, MB, Usage
from pipelines.errors import ConfigError


@pytest.mark.parametrize(
    ("usage", "mark"),
    [
        (Usage(100 * GB, 50 * GB, 1000, 500), Mark.OK),
        (Usage(100 * GB, 50 * GB, 0, 0), Mark.OK),  # a file system that does not count inodes
        (Usage(100 * GB, 9 * GB, 1000, 500), Mark.WARN),
        (Usage(4 * GB, 1900 * MB, 1000, 500), Mark.WARN),
        (Usage(4 * GB, 499 * MB, 1000, 500), Mark.FAIL),
        (Usage(100 * GB, 50 * GB, 1000, 99), Mark.WARN),
        (Usage(100 * GB, 50 * GB, 1000, 9), Mark.FAIL),
    ],
)
def test_room(tmp_path: Path, usage: Usage, mark: Mark) -> None:
    found = machine.disk(tmp_path / "not" / "yet", lambda _: usage)
    assert found.mark is mark
    assert bool(found.remedy) is (mark is not Mark.OK)


def test_room_is_measured(tmp_path: Path) -> None:
    found = machine.measured(tmp_path)
    assert 0 < found.free <= found.total


def test_links_between_cache_and_workspaces(home: Settings, monkeypatch) -> None:
    home.cache.mkdir()
    home.workspaces.mkdir()
    assert machine.hard_links(home).mark is Mark.OK

    def across(*_: object) -> None:
        raise OSError(errno.EXDEV, "Invalid cross-device link")

    monkeypatch.setattr(os, "link", across)
    found = machine.hard_links(home)
    assert (found.mark, "cross-device" in found.found) == (Mark.WARN, True)
    assert list(home.cache.iterdir()) == list(home.workspaces.iterdir()) == []


@pytest.mark.parametrize("name", ["cache", "workspaces", "mirrors"])
def test_a_file_in_the_place_of_a_folder(settings: Settings, name: str) -> None:
    settings.home.mkdir()
    (settings.home / name).write_text("")
    found = machine.hard_links(settings)
    assert (found.mark, found.found) == (Mark.FAIL, f"{settings.home / name} is no folder")


@pytest.mark.parametrize(
    ("ahead", "mark", "words"),
    [
        (0, Mark.OK, "agrees"),
        (90, Mark.WARN, "behind"),
        (-90, Mark.WARN, "ahead of"),
        (400, Mark.FAIL, "behind"),
        (-400, Mark.FAIL, "ahead of"),
    ],
)
def test_clocks(serve, ahead: int, mark: Mark, words: str) -> None:
    # What the server answers does not matter, its Date does.
    url = serve(lambda *_: (403, {"Date": formatdate(time.time() + ahead, usegmt=True)}, b""))
    found = machine.clock(url)
    assert found.mark is mark, found
    assert words in found.found


def test_clocks_that_cannot_be_compared(serve, nobody: str) -> None:
    assert machine.clock(serve(lambda *_: (200, {"Date": "yesterday"}, b""))).mark is Mark.WARN
    assert machine.clock(nobody).mark is Mark.WARN


def test_every_server_has_its_clock_compared(settings: Settings) -> None:
    names = [check.name for check in machine.checks(settings)]
    assert not [name for name in names if name.startswith("clock")]
    grown = replace(settings, lake="s3://b/x", mlflow_uri="http://mlflow:5000", ledgers="http://ledger:8300")
    names = [check.name for check in machine.checks(grown)]
    assert names[:3] == ["clock S3", "clock MLflow", "clock ledgers"]


def test_git(monkeypatch, tmp_path: Path) -> None:
    assert machine.git_version().mark is Mark.OK
    fake = tmp_path / "git"
    fake.write_text("#!/bin/sh\necho git version 2.29.1\n")
    fake.chmod(0o755)
    monkeypatch.setenv("PATH", str(tmp_path))
    assert machine.git_version().found == "git version 2.29.1"
    assert machine.git_version().mark is Mark.FAIL
    fake.unlink()
    found = machine.git_version()
    assert (found.mark, found.passing) == (Mark.FAIL, False)


def test_packages(tmp_path: Path) -> None:
    assert machine.packages().mark is Mark.OK
    lock = tmp_path / "requirements.lock"
    lock.write_text(
        "# made by hand\n"
        "pydantic==0.1 \\\n    --hash=sha256:00\n    # via x\n"
        "Nowhere_To.Be==1.0\n"
        "only-there==1.0 ; sys_platform == 'win32'\n"
    )
    found = machine.packages(lock)
    assert found.mark is Mark.WARN
    assert found.found.startswith("1 differ, 1 missing: pydantic ")
    assert "nowhere-to-be is missing" in found.found
    assert machine.packages(tmp_path / "none").mark is Mark.WARN


@pytest.fixture
def secret(settings: Settings, tmp_path: Path) -> Settings:
    folder = tmp_path / "secrets"
    folder.mkdir(mode=0o700)
    for name in ("ledger", "mlflow"):
        (folder / name).write_text("username=tasks\npassword=canary\n")
        (folder / name).chmod(0o400)
    return replace(settings, secrets=folder)


def test_secrets(settings: Settings, secret: Settings) -> None:
    assert configured.secret_files(settings).mark is Mark.OK
    assert configured.secret_files(secret).found == f"ledger, mlflow in {secret.secrets}"
    secret.secrets.chmod(0o705)
    assert configured.secret_files(secret).remedy == f"chmod o-rwx {secret.secrets}"
    secret.secrets.chmod(0o750)
    (secret.secrets / "mlflow").chmod(0o644)
    found = configured.secret_files(secret)
    assert (found.mark, found.found) == (Mark.FAIL, f"{secret.secrets / 'mlflow'} has mode 0644")


def test_secrets_that_are_none(secret: Settings) -> None:
    gone = replace(secret, secrets=secret.secrets / "ledger")
    assert configured.secret_files(gone).mark is Mark.FAIL
    (secret.secrets / "ledger").chmod(0o600)
    (secret.secrets / "ledger").write_text("canary\n")
    with pytest.raises(ConfigError, match="lacks a user name") as error:
        configured.secret_files(secret)
    assert "canary" not in error.value.line()


def test_models(home: Settings, tiny_model) -> None:
    assert configured.models(home).found == "tiny"
    tiny_model.edit("task: binary", "task: unary")
    found = configured.models(home)
    assert (found.mark, "model.yaml" in found.found) == (Mark.FAIL, True)


def test_an_address_with_a_password_and_none_at_all(settings: Settings) -> None:
    found = configured.named(replace(settings, mlflow_uri="http://u:canary@host"))
    assert (found.mark, found.found) == (Mark.WARN, "EVERGREEN_MLFLOW_URI holds a password")
    assert configured.named(replace(settings, mlflow_uri="http://[half")).mark is Mark.FAIL

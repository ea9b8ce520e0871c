"""The story that retention is tested on, and short ways to look into its remote."""

from __future__ import annotations

import hashlib
import os
import time
from datetime import UTC, date, datetime
from pathlib import Path
from typing import Literal

import pytest
import stories
from stories import Story

from pipelines.config.settings import Settings
from pipelines.ledger import Ledger, champion
from pipelines.ledger.champion import Champion, ChampionWindow, Reason

NOBODYS = b"nobody needs these bytes"
SHORT_LEASE = 5  # seconds, the least there is
NO_REFUSED = "retention: {refused: 0}\n"


def told(factory: pytest.TempPathFactory) -> Story:
    """Champions as of days 30 and 38 (reports 0 and 1), between them a dry run as of day 34 (report 2); then a run as
    of day 36 that was given up.
    """
    return stories.once(factory, "retention", lambda root: _tell(stories.crowned(factory).copy(root)))


def _tell(crowned: Story) -> Story:
    story = stories.retrained(crowned, (34, ("--promotion", "dry_run")), (38, ()))
    settings, tiny = story.settings, story.tiny
    first, dry, second = story.reports
    up = stories.stage_arguments("snapshot", stories.run_id(tiny.day(36), "up"), {"as_of": str(tiny.day(36))})
    given_up = stories.evergreen(settings, *up, EVERGREEN_LEASE_SECONDS=str(SHORT_LEASE))
    assert given_up.returncode == 0, given_up.stderr
    time.sleep(SHORT_LEASE)  # who holds the lease is kept, and keeps others waiting
    with (settings.models / "tiny" / "model.yaml").open("a") as model:
        model.write(NO_REFUSED)
    return Story(settings, tiny, (first, second, dry))


def copy(told: Story, target: Path) -> Story:
    """The story again, with an object of nobody's in its remote."""
    copied = told.copy(target)
    place(copied.settings, "0" * 32).parent.mkdir(parents=True, exist_ok=True)
    place(copied.settings, "0" * 32).write_bytes(NOBODYS)
    return copied


def place(settings: Settings, oid: str, where: str = "files") -> Path:
    """Where an object lies in the remote, or on its shelf."""
    return Path(settings.dvc_remote, where, "md5", oid[:2], oid[2:])


def stored(settings: Settings, content: bytes, kind: str = "") -> str:
    """An object of these bytes, put into the remote; its name there, the md5 and `kind`."""
    oid = hashlib.md5(content, usedforsecurity=False).hexdigest() + kind
    place(settings, oid).parent.mkdir(parents=True, exist_ok=True)
    place(settings, oid).write_bytes(content)
    return oid


def crown(ledger: Ledger, run: str, version: int = 1, kind: Literal["better", "rollback"] = "better") -> None:
    """Make a run champion."""
    day = date.fromisoformat(run[:10])
    standing = Champion(
        version=version,
        run=run,
        model_sha256="0" * 64,
        since=datetime.now(UTC),
        reason=Reason(kind=kind),
        window=ChampionWindow(as_of=day, train=(day, day), test=(day, day)),
    )
    champion.promote(ledger, standing, ledger.head("champion"))


def age(settings: Settings, days: float) -> None:
    """Make all that lies in the remote so much older."""
    for path in Path(settings.dvc_remote).rglob("*"):
        if path.is_file():
            found = path.stat()
            os.utime(path, (found.st_atime - days * 86_400, found.st_mtime - days * 86_400))

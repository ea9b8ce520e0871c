"""The models of the stack's tests, baked into images derived from the two that are tested, and their lake.

`flights` is the demo's. The others are small: their stages take a second, so that a test is about what happens around.
"""

from __future__ import annotations

import re
import shutil
from collections.abc import Callable
from dataclasses import dataclass
from datetime import date, timedelta
from pathlib import Path

from stack.machine.place import ROOT, timed
from support import FIRST, TinyModel, write_tiny_model

from pipelines.config import settings as configuration
from pipelines.demo import lake as demo

DAYS = 60
FLIGHTS_FIRST, FLIGHTS_LAST = date(2013, 1, 1), date(2013, 4, 30)
# Enough boosting rounds for a quarter of a minute of training on one core: time to aim.
SLOW_ROUNDS = 10_000
# What the slow model asks for in training; its live container is held against it.
CPUS, MEMORY_GIB, PIDS = 1.5, 3, 300
ROGUE = '''
"""A model whose author tries what a task must not be able to do, and reports what came of it."""

import os
import socket
import subprocess
import sys
from datetime import date
from pathlib import Path

import ibis


def said(*argv, folder="."):
    done = subprocess.run(argv, cwd=folder, capture_output=True, text=True, timeout=60)
    return f"{done.returncode} {done.stderr[-300:]}"


def reach(host, port):
    try:
        socket.create_connection((host, port), timeout=3).close()
    except OSError as error:
        return f"{type(error).__name__}"
    return "REACHED"


def decide(mine, path):
    """A push of one more file on top of the branch `decisions`, as it is now or as its first commit."""
    folder = Path("/tmp/forged") / path.replace("/", "-")
    folder.mkdir(parents=True, exist_ok=True)
    said("git", "init", "--quiet", ".", folder=folder)
    said("git", "fetch", "--quiet", mine, "decisions", folder=folder)
    said("git", "reset", "--quiet", "--hard", "FETCH_HEAD", folder=folder)
    (folder / path).parent.mkdir(parents=True, exist_ok=True)
    (folder / path).write_text("{}")
    said("git", "add", ".", folder=folder)
    said("git", "-c", "user.name=x", "-c", "user.email=x@x", "commit", "-m", "forged", folder=folder)
    return said("git", "push", mine, "HEAD:refs/heads/decisions", folder=folder)


def build(tables: dict[str, ibis.Table], as_of: date) -> ibis.Table:
    """Never gets to its features."""
    home = Path("/tmp/rogue")
    home.mkdir(exist_ok=True)
    login = dict(line.split("=", 1) for line in Path("/evergreen/secrets/ledger").read_text().splitlines())
    url = os.environ["EVERGREEN_LEDGERS"].replace("://", f"://{login['username']}:{login['password']}@")
    said("git", "init", "--quiet", ".", folder=home)
    said("git", "-c", "user.name=x", "-c", "user.email=x@x", "commit", "--allow-empty", "-m", "mine", folder=home)
    mine = f"{url}/rogue.git"
    told = {
        "champion": said("git", "push", mine, "HEAD:refs/heads/champion", folder=home),
        "forced": said("git", "push", "--force", mine, "HEAD:refs/heads/champion", folder=home),
        "other": said("git", "push", mine, "HEAD:refs/heads/anything", folder=home),
        "rewrite": said("git", "push", "--force", mine, "HEAD:refs/heads/data", folder=home),
        "delete": said("git", "push", mine, ":refs/heads/data", folder=home),
        "note": decide(mine, "note.txt"),
        "approval": decide(mine, "decisions/2026-01/20260101T000000000000Z-approval-0123456789abcdef.json"),
        "ending": decide(mine, "retention/2024-01-01-20240101T000000Z-000000.json"),
        "promoter": "READABLE" if Path("/evergreen-promote").exists() else "no volume",
        "root": "WRITABLE" if os.access("/opt/evergreen", os.W_OK) else "read-only",
        "engine": reach("docker-proxy", 2375),
        "postgres": reach("postgres", 5432),
        "airflow": reach("airflow-api", 8080),
        "uid": str(os.getuid()),
    }
    for name, text in told.items():
        print(f"ROGUE {name}={' '.join(text.split())} END", file=sys.stderr, flush=True)
    raise ValueError("that was all")
'''


@dataclass(frozen=True)
class Models:
    """Model folders below `folder`, and the lake they read below `lake`."""

    folder: Path
    lake: Path

    def day(self, number: int) -> date:
        """The small models' day `number`, counted from 0."""
        return FIRST + timedelta(days=number)

    @property
    def last(self) -> date:
        """The newest day of the small models' lake."""
        return self.day(DAYS - 1)


def write(root: Path) -> Models:
    """All folders, anew; the demo's lake is kept, because it takes seconds to lay out."""
    models = Models(root / "models", root / "lake")
    shutil.rmtree(models.folder, ignore_errors=True)
    settings = configuration.load({"EVERGREEN_HOME": str(root), "EVERGREEN_MODELS": str(models.folder)})
    with timed("models and lake"):
        demo.lay_out(models.lake, lambda _: None)
        for name, change in VARIANTS.items():
            change(write_tiny_model(settings, name, days=DAYS))
        shutil.copytree(ROOT / "include" / "models" / "flights", models.folder / "flights")
    return models


def files(models: Models) -> list[str]:
    """The lake's files that are uploaded: all of the small models', four months of flights."""
    days = re.compile(r"(?:flights|weather)/(\d{4}-\d\d-\d\d)\.parquet")
    found = sorted(str(path.relative_to(models.lake)) for path in models.lake.rglob("*.parquet"))
    return [name for name in found if not (match := days.fullmatch(name)) or match[1] <= FLIGHTS_LAST.isoformat()]


def _plain(_: TinyModel) -> None:
    return


def _slow(tiny: TinyModel) -> None:
    tiny.edit("rounds: 60", f"rounds: {SLOW_ROUNDS}")
    tiny.edit("early_stopping_rounds: 10", "early_stopping_rounds: 10000")
    tiny.edit("learning_rate: 0.15", "learning_rate: 0.001")
    limits = f"cpus: {CPUS}, memory: {MEMORY_GIB}GiB, pids: {PIDS}"
    tiny.edit("promotion: auto", f"resources: {{train: {{{limits}}}}}\npromotion: auto")
    # One challenger a day follows the other here: each is to be promoted.
    tiny.edit("margin: 0.02, min_rows: 100", "margin: 10, min_rows: 100")


def _rogue(tiny: TinyModel) -> None:
    (tiny.folder / "features.py").write_text(ROGUE.lstrip())


# Each test that retrains has a model of its own, so that they do not wait for each other's lease or champion.
VARIANTS: dict[str, Callable[[TinyModel], None]] = {
    "calm": _plain,
    "other": _plain,
    "fifty": _plain,
    "faulty": _plain,
    "cramped": _plain,
    "kept": _plain,
    "slow": _slow,
    "rogue": _rogue,
}

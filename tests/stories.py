"""Runs that several tests look at: told once in a session, whichever of its processes asks first, and copied from."""

from __future__ import annotations

import fcntl
import json
import os
import pickle
import shutil
import signal
import subprocess
import sys
import time
from collections.abc import Callable, Mapping
from dataclasses import dataclass, replace
from datetime import UTC, date, datetime
from pathlib import Path
from typing import Any

import pytest
import warm
from support import TinyModel, write_tiny_model

from pipelines.config import names
from pipelines.config import settings as configuration
from pipelines.config.settings import Settings

EVERGREEN = str(Path(sys.executable).with_name("evergreen"))
AS_OF = 30
KEPT = ("lake", "ledger", "remote", "cache", "mlflow")


def environment(settings: Settings) -> dict[str, str]:
    """What a child process needs to see `settings`, and nothing of the machine's own Evergreen."""
    plain = {key: value for key, value in os.environ.items() if not key.startswith(("EVERGREEN_", "AIRFLOW"))}
    return plain | {
        "EVERGREEN_HOME": str(settings.home),
        "EVERGREEN_MODELS": str(settings.models),
        "EVERGREEN_MLFLOW_URI": settings.mlflow_uri,
    }


def evergreen(settings: Settings, *arguments: str, **extra: str) -> subprocess.CompletedProcess[str]:
    """`evergreen` with these arguments, run to its end."""
    return warm.run([EVERGREEN, *arguments], environment(settings) | extra, timeout=300)


def last_json(done: subprocess.CompletedProcess[str]) -> Any:
    """The JSON in the last line of standard output."""
    assert done.stdout.strip(), done.stderr
    return json.loads(done.stdout.strip().splitlines()[-1])


def fresh_settings(root: Path) -> Settings:
    """Settings that keep everything below `root`."""
    return configuration.load({"EVERGREEN_HOME": str(root / "home"), "EVERGREEN_MODELS": str(root / "models")})


def copy(settings: Settings, target: Path) -> Settings:
    """The state of `settings` again below `target`: data, ledgers and registry, but no workspaces."""
    copied = fresh_settings(target)
    shutil.copytree(settings.models, copied.models)
    for name in KEPT:
        if (settings.home / name).exists():
            shutil.copytree(settings.home / name, copied.home / name)
    return replace(copied, mlflow_uri=settings.mlflow_uri.replace(str(settings.home), str(copied.home)))


def run_id(as_of: date, key: str) -> str:
    """A legal run id, the same for the same key."""
    return names.run_id(as_of, datetime(2026, 1, 1, tzinfo=UTC), key)


def stage(
    settings: Settings, name: str, run: str, params: Mapping[str, Any] | None = None
) -> subprocess.CompletedProcess[str]:
    """One `evergreen stage` of the tiny model."""
    return evergreen(settings, *stage_arguments(name, run, params))


def stage_arguments(name: str, run: str, params: Mapping[str, Any] | None = None) -> list[str]:
    """The command line of one stage of the tiny model."""
    extra = ["--params", json.dumps(params)] if params else []
    return ["stage", name, "--model", "tiny", "--run", run, *extra]


def victim(settings: Settings) -> Path:
    """Where the number of the process lies that `killed` has started."""
    return settings.home / "victim"


def killed(settings: Settings, arguments: list[str], when: Callable[[str], bool]) -> None:
    """Start `evergreen` and SIGKILL it as soon as `when(everything it has said so far)`; it must not end before."""
    said = settings.home / "said.txt"
    with said.open("w") as log:
        child = warm.start([EVERGREEN, *arguments], environment(settings), log, log)
    victim(settings).write_text(str(child.pid))
    deadline = time.monotonic() + 120
    while child.poll() is None and not when(said.read_text()):
        assert time.monotonic() < deadline, said.read_text()
        time.sleep(0.001)
    child.send_signal(signal.SIGKILL)
    assert child.wait() == -signal.SIGKILL, said.read_text()


@dataclass(frozen=True)
class Story:
    """A home and its tiny model; `reports` are what `evergreen run` printed, in its order."""

    settings: Settings
    tiny: TinyModel
    reports: tuple[Mapping[str, Any], ...]

    def copy(self, target: Path) -> Story:
        """The same state in another place, free to be changed."""
        settings = copy(self.settings, target)
        tiny = TinyModel(
            self.tiny.name, settings.models / "tiny", settings.home / "lake", self.tiny.first, self.tiny.last
        )
        return Story(settings, tiny, self.reports)


def common(factory: pytest.TempPathFactory) -> Path:
    """A folder that all processes of this session share."""
    base = factory.getbasetemp()
    return base.parent if "PYTEST_XDIST_WORKER" in os.environ else base


def once(factory: pytest.TempPathFactory, name: str, tell: Callable[[Path], Story]) -> Story:
    """What `tell(folder)` says, which the first process of this session that asks tells; look, do not touch."""
    shared = common(factory)
    folder, said = shared / f"told-{name}", shared / f"told-{name}.pickle"
    with (shared / f"told-{name}.lock").open("w") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)
        if not said.exists():
            shutil.rmtree(folder, ignore_errors=True)  # of a telling that failed
            folder.mkdir()
            said.write_bytes(pickle.dumps(tell(folder)))
    told: Story = pickle.loads(said.read_bytes())
    return told


def retrained(before: Story, *runs: tuple[int, tuple[str, ...]]) -> Story:
    """`before`, changed: retrained as of these days, with these arguments more."""
    reports = list(before.reports)
    for number, more in runs:
        asked = ("run", "tiny", "--as-of", str(before.tiny.day(number)), "--json", *more)
        done = evergreen(before.settings, *asked)
        assert done.returncode == 0, done.stderr + done.stdout
        reports.append(last_json(done))
    return Story(before.settings, before.tiny, tuple(reports))


def ingested(factory: pytest.TempPathFactory) -> Story:
    """The tiny model with all its days ingested."""

    def tell(root: Path) -> Story:
        settings = fresh_settings(root)
        tiny = write_tiny_model(settings)
        done = evergreen(settings, "ingest", tiny.name, "--from", str(tiny.first), "--to", str(tiny.last))
        assert done.returncode == 0, done.stderr
        return Story(settings, tiny, ())

    return once(factory, "ingested", tell)


def crowned(factory: pytest.TempPathFactory) -> Story:
    """A champion as of day 30 (`AS_OF`)."""
    return once(factory, "crowned", lambda root: retrained(ingested(factory).copy(root), (AS_OF, ())))


def waiting(factory: pytest.TempPathFactory) -> Story:
    """The champion as of day 30, and a challenger as of day 38 whose gates passed, and who waits for a person."""

    def tell(root: Path) -> Story:
        story = crowned(factory).copy(root)
        # What is asked after this is what comes after the gates.
        story.tiny.edit("margin: 0.02", "margin: 0.5")
        return retrained(story, (38, ("--promotion", "manual")))

    return once(factory, "waiting", tell)

"""Case 66: every stage killed at its start, in its middle or just before its ref is pushed; then the same again.

`make test` kills each stage at one of these moments, which the commit chooses; `make test-faults` at all of them.
"""

from __future__ import annotations

import subprocess
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
import stories
from support import TinyModel

from pipelines.config.names import STAGES
from pipelines.config.settings import PROJECT, Settings
from pipelines.ledger import champion, runs
from pipelines.ledger.git import Ledger
from pipelines.ledger.lockfile import Pipeline
from pipelines.registry import Registry

# The server's hook is the last thing that runs before a run's branch moves: it kills whoever pushes, and refuses.
KILLER = """#!/bin/sh
while read -r old new ref; do
    case "$ref" in refs/heads/run/*)
        kill -9 "$(cat {victim})"
        exit 1
    esac
done
"""
MOMENTS = ("start", "middle", "push")


def turns() -> list[Any]:
    """Where in `MOMENTS` the first stage's turn is; those that are not this commit's carry the mark `matrix`."""
    head = subprocess.run(["git", "rev-parse", "HEAD"], cwd=PROJECT, check=True, capture_output=True, text=True).stdout
    ours = int(head, 16) % len(MOMENTS)
    return [
        pytest.param(turn, id=f"{moment} first", marks=[] if turn == ours else pytest.mark.matrix)
        for turn, moment in enumerate(MOMENTS)
    ]


@pytest.fixture(scope="module")
def data(tmp_path_factory: pytest.TempPathFactory) -> tuple[Settings, TinyModel]:
    told = stories.ingested(tmp_path_factory)
    return told.settings, told.tiny


@pytest.mark.slow
@pytest.mark.kills
@pytest.mark.parametrize("turn", turns())
def test_every_stage_survives_a_kill(data: tuple[Settings, TinyModel], tmp_path: Path, turn: int) -> None:
    settings, tiny = stories.copy(data[0], tmp_path / "copy"), data[1]
    ledger = Ledger.open(settings, "tiny")
    run = stories.run_id(tiny.day(38), MOMENTS[turn])
    for place, name in enumerate(STAGES):
        params = {"as_of": str(tiny.day(38))} if name == "snapshot" else None
        kill(settings, ledger, name, run, params, MOMENTS[(turn + place) % len(MOMENTS)])
        ledger.fetch()
        assert done(ledger, run) == set(STAGES[:place]), "a killed stage is no part of its run"
        assert champion.current(ledger) is None
        again = stories.stage(settings, name, run, params)
        assert again.returncode == 0, again.stderr
        ledger.fetch()
        assert done(ledger, run) == set(STAGES[: place + 1])
    assert stories.last_json(stories.stage(settings, "train", run))["how"] == "kept"
    for step in ("register", "register", "promote", "promote"):
        assert stories.stage(settings, step, run).returncode == 0
    ledger.fetch()
    standing = champion.current(ledger)
    assert standing is not None
    assert (standing.run, standing.version) == (run, 1)
    assert Registry(settings.mlflow_uri, settings.artifacts).aliases("tiny")["champion"] == 1


@pytest.mark.slow
def test_a_killed_run_goes_on_where_it_stood(data: tuple[Settings, TinyModel], tmp_path: Path) -> None:
    settings, tiny = stories.copy(data[0], tmp_path / "copy"), data[1]
    asked = ["run", "tiny", "--as-of", str(tiny.day(38)), "--json"]
    stories.killed(settings, asked, lambda said: "stage=train started" in said)
    report = stories.last_json(stories.evergreen(settings, *asked))
    how = {name: step["how"] for name, step in report["steps"].items()}
    assert how["snapshot"] == how["validate"] == how["features"] == "kept"
    assert how["train"] == "ran"
    ledger = Ledger.open(settings, "tiny")
    assert set(runs.finished(ledger)) == {report["run"]}
    assert not runs.unfinished(ledger)


def kill(settings: Settings, ledger: Ledger, name: str, run: str, params: dict[str, str] | None, moment: str) -> None:
    """Kill one try of stage `name` at `moment`."""
    out = settings.workspaces / "tiny" / run / "out" / name
    moments: dict[str, Callable[[str], bool]] = {
        "start": lambda said: "started" in said,
        "middle": lambda said: "started" in said and out.exists(),
        "push": lambda _: False,
    }
    hook = Path(ledger.url) / "hooks" / "pre-receive"
    if moment == "push":
        hook.write_text(KILLER.format(victim=stories.victim(settings)))
        hook.chmod(0o755)
    try:
        stories.killed(settings, stories.stage_arguments(name, run, params), moments[moment])
    finally:
        hook.unlink(missing_ok=True)


def done(ledger: Ledger, run: str) -> set[str]:
    """The stages that the run's branch holds as finished."""
    head = ledger.head(f"run/{run}")
    if head is None:
        return set()
    pipeline = Pipeline(ledger, head)
    return {name for name in STAGES if pipeline.finished(name)}

"""Cases 64, 65, 67 and 68: servers away, the same trigger fifty times, two runs of one model at once."""

from __future__ import annotations

import socket
import subprocess
from collections import Counter
from concurrent.futures import ThreadPoolExecutor
from dataclasses import replace
from pathlib import Path

import pytest
import stories
from support import TinyModel

from pipelines.config.settings import Settings
from pipelines.ledger import champion, lease, runs
from pipelines.ledger.git import Ledger


@pytest.fixture(scope="module")
def data(tmp_path_factory: pytest.TempPathFactory) -> tuple[Settings, TinyModel]:
    told = stories.ingested(tmp_path_factory)
    return told.settings, told.tiny


@pytest.mark.slow
def test_mlflow_away_heals_without_redoing_a_stage(data: tuple[Settings, TinyModel], tmp_path: Path) -> None:
    settings, tiny = stories.copy(data[0], tmp_path / "copy"), data[1]
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        away = replace(settings, mlflow_uri=f"http://127.0.0.1:{free.getsockname()[1]}")
    asked = ("run", "tiny", "--as-of", str(tiny.day(38)), "--json")
    failed = stories.evergreen(away, *asked)
    assert failed.returncode == 75, failed.stderr
    assert "MLflow does not answer" in failed.stderr.splitlines()[-1]
    ledger = Ledger.open(settings, "tiny")
    assert champion.current(ledger) is None
    (run,) = runs.finished(ledger)
    report = stories.last_json(stories.evergreen(settings, *asked))
    assert report["run"] == run
    assert {step["how"] for name, step in report["steps"].items() if name not in ("register", "promote")} == {"kept"}
    ledger.fetch()
    assert champion.current(ledger) is not None


def test_a_ledger_away_is_a_passing_fault_and_nothing_is_made_anew(
    data: tuple[Settings, TinyModel], tmp_path: Path
) -> None:
    settings, tiny = stories.copy(data[0], tmp_path / "copy"), data[1]
    head = Ledger.open(settings, "tiny").head("data")
    ledgers = Path(settings.ledgers)
    ledgers.rename(tmp_path / "away")
    for asked in (("run", "tiny"), ("ingest", "tiny", "--from", str(tiny.first))):
        done = stories.evergreen(settings, *asked)
        assert done.returncode == 75, done.stderr
    assert not ledgers.exists()
    (tmp_path / "away").rename(ledgers)
    assert Ledger.open(settings, "tiny").head("data") == head


@pytest.mark.slow
def test_the_same_trigger_fifty_times_has_one_effect(data: tuple[Settings, TinyModel], tmp_path: Path) -> None:
    settings, tiny = stories.copy(data[0], tmp_path / "copy"), data[1]
    asked = ("run", "tiny", "--as-of", str(tiny.day(38)), "--json")
    with ThreadPoolExecutor(10) as pool:
        done = list(pool.map(lambda _: stories.evergreen(settings, *asked), range(50)))
    codes = Counter(item.returncode for item in done)
    assert set(codes) <= {0, 75}, [item.stderr for item in done if item.returncode not in (0, 75)]
    outcomes = [stories.last_json(item)["outcome"] for item in done if item.returncode == 0]
    assert sum(outcome == "version 1 is champion" for outcome in outcomes) == 1
    ledger = Ledger.open(settings, "tiny")
    assert len(runs.finished(ledger)) == 1
    assert not runs.unfinished(ledger)
    assert len(champion.history(ledger)) == 1


def test_a_second_run_of_a_model_is_told_who_holds_the_lease(data: tuple[Settings, TinyModel], tmp_path: Path) -> None:
    settings, tiny = stories.copy(data[0], tmp_path / "copy"), data[1]
    ledger = Ledger.open(settings, "tiny")
    other = stories.run_id(tiny.day(30), "other")
    lease.acquire(ledger, other, 60)
    done: subprocess.CompletedProcess[str] = stories.evergreen(settings, "run", "tiny")
    assert done.returncode == 75
    assert f"run {other} holds it until" in done.stderr
    ledger.fetch()
    assert not runs.finished(ledger)
    assert not runs.unfinished(ledger)

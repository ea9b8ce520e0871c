"""The demo's retraining in containers: from a trigger over REST to a champion, on S3 and Postgres."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from pathlib import Path

import pytest
from stack.machine import probes
from stack.machine.models import FLIGHTS_FIRST, FLIGHTS_LAST
from stack.machine.place import say, timed
from stack.machine.stack import Retrained, Stack

AS_OF = "2013-03-31"
LIMIT = 90.0
STAGES = ("snapshot", "validate", "features", "train", "evaluate", "register", "promote")


@pytest.fixture(scope="module")
def story(stack: Stack) -> Retrained:
    """Flights retrained as of the end of March, promoted by its gates."""
    stack.ingest("flights", FLIGHTS_FIRST, FLIGHTS_LAST)
    return stack.retrain("flights", "story", as_of=AS_OF)


def test_the_challenger_is_champion(stack: Stack, story: Retrained) -> None:
    champion = probes.champion(stack.compose, "flights")
    assert champion is not None
    assert (champion["version"], champion["run"]) == (1, story.run)
    assert probes.finished(stack.compose, "flights") == [story.run]
    assert stack.mlflow_alias("flights", "champion") == 1


def test_from_trigger_to_champion_in_time(story: Retrained) -> None:
    for name in STAGES:
        start, end = story.spans[name]
        say(
            f"{name}: started {(start - story.asked).total_seconds():.1f} s after the trigger, "
            f"took {(end - start).total_seconds():.1f} s"
        )
    say(f"trigger to champion: {story.seconds:.1f} s")
    assert story.seconds <= LIMIT


def test_bytes_are_on_s3(stack: Stack, story: Retrained) -> None:
    stored = probes.keys(stack.machine, "evergreen-store", "dvc/files/md5/")
    assert len(stored) > 100
    artifacts = probes.keys(stack.machine, "evergreen-mlflow")
    assert any(key.endswith("model.json") or "artifacts" in key for key in artifacts)
    assert probes.uploads(stack.machine) == []


def test_metadata_is_in_postgres(stack: Stack, story: Retrained) -> None:
    query = stack.machine.postgres.query
    runs = query("airflow", "select run_id from dag_run where dag_id = 'flights__retrain' and state = 'success'")
    assert ["story"] in runs
    versions = query("mlflow", "select name, version from model_versions")
    assert ["flights", "1"] in versions
    assert query("mlflow_auth", "select count(*) from users")[0][0] >= "2"


def test_nothing_is_left_in_the_engine(stack: Stack, story: Retrained) -> None:
    assert probes.orphans(stack.docker) == []


def test_it_reproduces_from_s3_alone(stack: Stack, story: Retrained) -> None:
    with timed("evergreen reproduce"):
        verdict = json.loads(stack.task("reproduce", "flights", "1", "--json").strip().splitlines()[-1])
    assert verdict["identical"], verdict
    assert verdict["code_changed"] == []


def test_the_embedded_runtime_makes_the_same_model(stack: Stack, story: Retrained, tmp_path: Path) -> None:
    """The same days through `evergreen ingest` and `evergreen run` in this machine's own environment."""
    env = {key: value for key, value in os.environ.items() if not key.startswith(("EVERGREEN_", "AIRFLOW", "DOCKER"))}
    env |= {
        "EVERGREEN_HOME": str(tmp_path),
        "EVERGREEN_LAKE": str(stack.models.lake),
        "EVERGREEN_MODELS": str(stack.models.folder),
    }

    def evergreen(*words: str) -> str:
        argv = [str(Path(sys.executable).with_name("evergreen")), *words]
        done = subprocess.run(argv, env=env, capture_output=True, text=True, timeout=600, check=False)
        assert done.returncode == 0, done.stderr[-2000:]
        return done.stdout

    with timed("embedded: ingest"):
        evergreen("ingest", "flights", "--from", str(FLIGHTS_FIRST), "--to", str(FLIGHTS_LAST))
    with timed("embedded: run"):
        report = json.loads(evergreen("run", "flights", "--as-of", AS_OF, "--json").strip().splitlines()[-1])
    for name, step in report["steps"].items():
        start, end = story.spans[name]
        say(f"{name}: {step['seconds']:.1f} s embedded, {(end - start).total_seconds():.1f} s in the stack")
    ledger = tmp_path / "ledger" / "flights.git"
    told = subprocess.run(
        ["git", "-C", str(ledger), "show", "champion:champion.json"], capture_output=True, text=True, check=True
    )
    champion = probes.champion(stack.compose, "flights")
    assert champion is not None
    assert json.loads(told.stdout)["model_sha256"] == champion["model_sha256"]

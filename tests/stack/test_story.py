"""The demo's retraining in containers: from a trigger over REST to a champion, on S3 and Postgres."""

from __future__ import annotations

import json
import urllib.error
import urllib.request
from typing import Any

import pytest
from stack.machine import probes
from stack.machine.place import say, timed
from stack.machine.stack import Retrained, Stack

LIMIT = 90.0
STAGES = ("snapshot", "validate", "features", "train", "evaluate", "register", "promote")


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
    stack.forget()
    stack.machine.faults.set("pass")
    with timed("evergreen reproduce"):
        verdict = said(stack.task("reproduce", "flights", "1", "--json"))
    assert verdict["identical"], verdict
    assert verdict["code_changed"] == []
    assert stack.machine.faults.counts()["requests"] > 100, "the bytes were not fetched from S3"


def test_a_night_writes_its_predictions_to_s3(stack: Stack, story: Retrained) -> None:
    for command in ("score", "monitor"):
        said(stack.task(command, "flights", "--date", "2013-04-01", "--json"))
    assert probes.keys(stack.machine, "evergreen-predictions")


def test_the_doctor_finds_nothing_wrong(stack: Stack, story: Retrained) -> None:
    """As a stage sees the stack; what is wrong would be its exit code."""
    report = said(stack.task("doctor", "--json"))
    names = {line["name"] for line in report["checks"]}
    assert report["exit_code"] == 0
    assert {"lake", "DVC remote", "predictions", "ledgers", "MLflow"} <= names


@pytest.mark.parametrize(("host", "status"), [("127.0.0.1:5000", 401), ("127.0.0.1", 403), ("evil.example:5000", 403)])
def test_mlflow_answers_neither_strangers_nor_foreign_hosts(stack: Stack, host: str, status: int) -> None:
    request = urllib.request.Request(f"{stack.mlflow}/api/2.0/mlflow/experiments/search?max_results=1")
    request.add_header("Host", host)
    with pytest.raises(urllib.error.HTTPError) as refused, urllib.request.urlopen(request, timeout=20):
        pass
    refused.value.close()
    assert refused.value.code == status


def said(output: str) -> dict[str, Any]:
    """What a command with `--json` has said last."""
    found: dict[str, Any] = json.loads(output.strip().splitlines()[-1])
    return found

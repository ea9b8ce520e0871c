"""`evergreen run` from data to champion, and what may be asked of its result."""

from __future__ import annotations

import json
import subprocess
import sys
from pathlib import Path

import pyarrow.parquet as pq
import pytest
import stories
from stories import Story

from pipelines.ledger import champion, decisions, runs
from pipelines.ledger.git import Ledger

pytestmark = pytest.mark.slow

DVC = str(Path(sys.executable).with_name("dvc"))


def test_the_first_run_becomes_champion_one(told: Story) -> None:
    first = told.reports[0]
    assert first["exit_code"] == 0
    assert first["version"] == 1
    assert [step["how"] for step in first["steps"].values()] == ["ran"] * 7


def test_the_second_is_judged_against_it_on_days_neither_has_seen(told: Story) -> None:
    ledger = Ledger.open(told.settings, "tiny")
    metrics = json.loads(ledger.read(f"runs/{told.reports[1]['run']}", "out/evaluate/metrics.json") or b"")
    judged = metrics["compared"]
    assert metrics["champion"] is not None
    assert judged["days"][0] > str(told.tiny.day(29)), "the champion's release saw day 29"
    assert judged["rows"] > 100
    standing = champion.current(ledger)
    assert standing is not None
    assert standing.version == (2 if told.reports[1]["exit_code"] == 0 else 1)


def test_the_same_again_changes_nothing_and_says_so(told: Story) -> None:
    ledger = Ledger.open(told.settings, "tiny")
    before = (runs.finished(ledger), ledger.head("champion"), ledger.head("decisions"))
    as_of = str(told.tiny.day(38))
    report = stories.last_json(stories.evergreen(told.settings, "run", "tiny", "--as-of", as_of, "--json"))
    assert report["outcome"].startswith("nothing to do: ")
    assert report["run"] == told.reports[1]["run"]
    ledger.fetch()
    assert (runs.finished(ledger), ledger.head("champion"), ledger.head("decisions")) == before


def test_changed_features_are_never_answered_from_before(story: Story) -> None:
    story.tiny.edit("interval(days=7)", "interval(days=5)", "features.py")
    as_of = str(story.tiny.day(38))
    report = stories.last_json(stories.evergreen(story.settings, "run", "tiny", "--as-of", as_of, "--json"))
    how = {name: step["how"] for name, step in report["steps"].items()}
    assert how["snapshot"] == how["validate"] == "restored"
    assert how["features"] == how["train"] == how["evaluate"] == "ran"


def test_a_refusal_is_recorded_and_leaves_the_champion(story: Story) -> None:
    story.tiny.edit("floors: {auc: 0.55}", "floors: {auc: 0.999}")
    before = Ledger.open(story.settings, "tiny").head("champion")
    done = stories.evergreen(story.settings, "run", "tiny", "--as-of", str(story.tiny.day(39)), "--json")
    assert done.returncode == 4
    ledger = Ledger.open(story.settings, "tiny")
    assert ledger.head("champion") == before
    refusal = decisions.last_refusal(ledger)
    assert refusal is not None
    assert refusal["run"] == stories.last_json(done)["run"]
    assert "0.999" in refusal["reason"]


def test_a_dry_run_records_what_it_would_do(story: Story) -> None:
    before = Ledger.open(story.settings, "tiny").head("champion")
    as_of, mode = str(story.tiny.day(39)), ("--promotion", "dry_run")
    done = stories.evergreen(story.settings, "run", "tiny", "--as-of", as_of, *mode, "--json")
    assert done.returncode in (0, 4)
    assert Ledger.open(story.settings, "tiny").head("champion") == before


def test_status_for_machines(told: Story) -> None:
    answer = stories.last_json(stories.evergreen(told.settings, "status", "--json"))
    (entry,) = answer["models"]
    assert entry["model"] == "tiny"
    assert set(entry["champion"]["window"]) >= {"train", "test"}
    assert {"auc", "log_loss"} <= set(entry["champion"]["metrics"])
    assert entry["champion"]["run"] in {report["run"] for report in told.reports}
    assert entry["last_run"]["finished"]


def test_predict_scores_a_day_with_the_champion(told: Story, tmp_path: Path) -> None:
    out = tmp_path / "scores.parquet"
    done = stories.evergreen(
        told.settings, "predict", "tiny", "--date", str(told.tiny.day(39)), "--out", str(out), "--json"
    )
    assert done.returncode == 0, done.stderr
    table = pq.read_table(out)
    orders = told.tiny.read("orders", told.tiny.day(39))
    assert table["order_id"].to_pylist() == orders["order_id"].to_pylist()
    assert all(0 < score < 1 for score in table["score"].to_pylist())
    assert set(table["model_version"].to_pylist()) == {stories.last_json(done)["version"]}


def test_a_version_comes_out_again_byte_for_byte(told: Story, tmp_path: Path) -> None:
    done = stories.evergreen(told.settings, "reproduce", "tiny", "1", "--in", str(tmp_path / "again"), "--json")
    assert done.returncode == 0, done.stdout + done.stderr
    verdict = stories.last_json(done)
    assert verdict["identical"]
    assert verdict["model_sha256"][0] == verdict["model_sha256"][1]


def test_dvc_works_on_a_checked_out_tag(told: Story, tmp_path: Path) -> None:
    tags = [f"runs/{report['run']}" for report in told.reports]
    clone, ledger = tmp_path / "clone", Ledger.open(told.settings, "tiny")
    subprocess.run(["git", "clone", "-q", "--branch", tags[1], ledger.url, str(clone)], check=True, capture_output=True)
    dvc(clone, "pull")
    assert "evaluate" in dvc(clone, "dag")
    assert "challenger.auc" in dvc(clone, "metrics", "diff", tags[0], tags[1])
    dvc(clone, "plots", "show")
    assert "didn't change, skipping" in dvc(clone, "repro")
    assert "Running stage 'evaluate'" in dvc(clone, "repro", "--single-item", "--force", "evaluate")
    assert not subprocess.run(["git", "diff", "--stat"], cwd=clone, check=True, capture_output=True).stdout


def dvc(clone: Path, *arguments: str) -> str:
    """What `dvc` says in `clone`; it must succeed."""
    path = {"PATH": f"{Path(sys.executable).parent}:/usr/bin:/bin", "DVC_NO_ANALYTICS": "1", "HOME": str(clone)}
    done = subprocess.run([DVC, *arguments], cwd=clone, env=path, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stdout + done.stderr
    return done.stdout

# ruff: noqa: ARG002 - the scripted Airflow has the methods of the real one
"""How the demo follows Airflow: what is done stays done, what failed is tried again, and a failure says why."""

from __future__ import annotations

import json
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest

from pipelines.demo import story as stories
from pipelines.demo import table
from pipelines.demo.airflow_api import Task
from pipelines.demo.story import Story, error_line
from pipelines.errors import EvergreenError, PassingFault
from pipelines.services import airflow_config

BEGAN = datetime(2026, 1, 1, tzinfo=UTC)


@dataclass
class Scripted:
    """An Airflow whose runs go through given states, one a look; what it is asked to do is noted."""

    states: dict[tuple[str, str], list[str]] = field(default_factory=dict)
    events: dict[tuple[str, str], list[list[tuple[str, str]]]] = field(default_factory=dict)
    asked: list[str] = field(default_factory=list)
    unparsed: int = 0

    def knows(self, dag: str) -> bool:
        self.unparsed -= 1
        return self.unparsed < 0

    def trigger(self, dag: str, run: str, conf: dict) -> bool:
        self.asked.append(f"trigger {run}")
        return True

    def retry(self, dag: str, run: str) -> None:
        self.asked.append(f"retry {run}")

    def state(self, dag: str, run: str) -> str | None:
        states = self.states.get((dag, run), [])
        return states.pop(0) if len(states) > 1 else states[0] if states else None

    def tasks(self, dag: str, run: str) -> list[Task]:
        return [Task("snapshot", "success", 1.0, 1), Task("train", "failed", 2.0, 3)]

    def times(self, dag: str, run: str) -> tuple[datetime, datetime]:
        return BEGAN, BEGAN + timedelta(seconds=7)

    def announced(self, dag: str, run: str) -> int:
        return len(self.events.get((dag, run), []))

    def caused(self, dag: str, run: str) -> list[tuple[str, str]]:
        found = self.events[dag, run]
        return found.pop(0) if len(found) > 1 else found[0]


@pytest.fixture
def said(monkeypatch) -> list[str]:
    monkeypatch.setattr(stories, "POLL_SECONDS", 0.001)
    monkeypatch.setattr(stories, "SAY_SECONDS", 0.0)
    return []


def telling(settings, airflow: Scripted, said: list[str]) -> Story:
    return Story(settings, airflow, said.append)  # type: ignore[arg-type]


def test_a_run_is_started_and_watched_to_its_end(settings, said) -> None:
    airflow = Scripted({("d", "r"): [None, "queued", "running", "success"]}, unparsed=2)
    story = telling(settings, airflow, said)
    story.run("d", "r", {})
    assert airflow.asked == ["trigger r"]
    assert story.changed
    assert "waiting for Airflow to read d" in said[0]
    assert any("train failed, 1 of 2 done" in line for line in said)
    assert said[-1] == "d r: success after 7 s"


def test_what_is_done_is_left_alone(settings, said) -> None:
    airflow = Scripted({("d", "r"): ["success"]})
    story = telling(settings, airflow, said)
    story.run("d", "r", {})
    assert (airflow.asked, story.changed, said) == ([], False, ["d r: done before"])


def test_what_failed_before_is_tried_again(settings, said) -> None:
    airflow = Scripted({("d", "r"): ["failed", "running", "success"]})
    telling(settings, airflow, said).run("d", "r", {})
    assert airflow.asked == ["retry r"]


def test_a_failure_carries_the_tasks_own_words_and_its_log(settings, said) -> None:
    log = airflow_config.folder(settings) / "logs/dag_id=d/run_id=r/task_id=train/attempt=3.log"
    log.parent.mkdir(parents=True)
    log.write_text(json.dumps({"event": "x", "error_detail": [{"exc_value": "flights train: too few rows"}]}))
    airflow = Scripted({("d", "r"): [None, "running", "failed"]})
    with pytest.raises(EvergreenError) as caught:
        telling(settings, airflow, said).run("d", "r", {})
    assert caught.value.what == "flights train: too few rows"
    assert caught.value.where == "d train"
    assert str(log) in caught.value.remedy


def test_what_a_run_has_started_is_followed(settings, said) -> None:
    airflow = Scripted({("p", "q"): ["running", "running", "success"]}, {("d", "r"): [[], [("p", "q")]]})
    story = telling(settings, airflow, said)
    assert story.follow("d", "r") == [("p", "q")]
    assert story.changed
    assert telling(settings, Scripted(), said).follow("d", "r") == []


def test_it_does_not_wait_for_ever(settings, said, monkeypatch) -> None:
    for limit in ("PARSE_SECONDS", "RUN_SECONDS", "EVENT_SECONDS"):
        monkeypatch.setattr(stories, limit, 0.01)
    with pytest.raises(PassingFault, match="does not know it"):
        telling(settings, Scripted(unparsed=10**6), said).run("d", "r", {})
    with pytest.raises(PassingFault, match="still running"):
        telling(settings, Scripted({("d", "r"): ["running"]}), said).wait("d", "r")
    with pytest.raises(PassingFault, match="no DAG run has followed"):
        telling(settings, Scripted(events={("d", "r"): [[]]}), said).follow("d", "r")


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        (None, "failed before it could write a log"),
        ("not json\n[1]\n", "failed without an error in its log"),
        ('{"level": "error", "event": "one"}\n{"level": "info", "event": "two"}\n', "one"),
        ('{"error_detail": [{"exc_value": "inner"}]}\n{"level": "error", "event": "later"}\n', "inner"),
    ],
)
def test_the_last_error_of_a_log(tmp_path: Path, text: str | None, expected: str) -> None:
    log = tmp_path / "attempt=1.log"
    if text is not None:
        log.write_text(text)
    assert error_line(log) == expected


def test_the_table_shows_both_on_the_same_rows(capsys) -> None:
    gate = {"name": "floors:auc", "passed": True, "sentence": "auc 0.7 is at least 0.6", "mode": "on"}
    report = {"name": "baseline", "passed": False, "sentence": "worse", "mode": "dry_run"}
    common = {"span": ("2013-01-01", "2013-03-15", "2013-03-16", "2013-03-29"), "gates": [gate, report]}
    first = table.Row(
        "run-1", 1, rows=100, challenger={"auc": 0.7}, champion=None, seconds={"train": 8.04}, total=30, **common
    )
    second = table.Row(
        "run-2",
        None,
        rows=50,
        challenger={"auc": 0.71},
        champion={"auc": 0.69},
        seconds={"train": 9},
        total=31,
        **common,
    )
    table.print_rows([first, second])
    shown = capsys.readouterr().out
    for text in (
        "version 1",
        "refused",
        "0.7100",
        "0.6900",
        "8.0",
        "1 of 1 passed",
        "noted   baseline: worse",
        "auc 0.7 is at least 0.6",
        "2013-03-29",
    ):
        assert text in shown

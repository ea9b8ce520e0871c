"""Promotion in a real Airflow: an approval asked with the evidence and not to be got round, the way back, and the
registry brought back to what the ledger says."""

from __future__ import annotations

from collections.abc import Iterator
from datetime import timedelta
from typing import Any
from urllib.parse import quote

import pytest
from airflows import client, ended, fetched, running, settings_in, wait
from support import FIRST, write_tiny_model

from pipelines.config.settings import Settings
from pipelines.demo.airflow_api import FINISHED, Airflow
from pipelines.ledger import champion as champions
from pipelines.ledger import decisions
from pipelines.registry import Registry

pytestmark = [pytest.mark.services, pytest.mark.slow, pytest.mark.timeout(900)]
LAST = (FIRST + timedelta(days=39)).isoformat()
PROMOTE, ROLLBACK, RECONCILE = "tiny__promote", "tiny__rollback", "tiny__reconcile"


@pytest.fixture(scope="module")
def settings(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Settings]:
    """The embedded services up, with a model whose promotion a person approves."""
    settings = settings_in(tmp_path_factory.mktemp("approval"))
    tiny = write_tiny_model(settings)
    tiny.edit("promotion: auto", "promotion: manual\napproval: {approvers: [admin], deadline_hours: 1}")
    # What is tried here is the way to champion and back: that the newer challenger is as good is not the point.
    tiny.edit("gates:", "gates:\n  modes: {champion: dry_run}")
    with running(settings):
        yield settings


@pytest.fixture(scope="module")
def airflow(settings: Settings) -> Airflow:
    airflow = client(settings)
    wait(lambda: airflow.knows("tiny__retrain") and airflow.knows(PROMOTE))
    return airflow


@pytest.fixture(scope="module")
def asked(airflow: Airflow) -> str:
    """The DAG run of the promotion that waits for a person, started by a retraining."""
    airflow.trigger("tiny__ingest", "days", {"from": FIRST.isoformat(), "to": LAST})
    assert ended(airflow, "tiny__ingest", "days") == "success"
    airflow.trigger("tiny__retrain", "first", {"as_of": "2024-02-04"})
    assert ended(airflow, "tiny__retrain", "first") == "success"
    ((_, run),) = wait(lambda: airflow.caused("tiny__retrain", "first"))
    wait(lambda: question(airflow, run))
    return str(run)


def question(airflow: Airflow, run: str) -> dict[str, Any] | None:
    """What the approval asks, once it waits: an answer that Airflow takes before is kept, and never wakes the task."""
    if states(airflow, run).get("approval") != "awaiting_input":
        return None
    path = f"/dags/{PROMOTE}/dagRuns/{quote(run, safe='')}/taskInstances/approval/-1/hitlDetails"
    return airflow._ask("GET", path, none_on=404)


def respond(airflow: Airflow, run: str, choice: str) -> None:
    path = f"/dags/{PROMOTE}/dagRuns/{quote(run, safe='')}/taskInstances/approval/-1/hitlDetails"
    airflow._ask("PATCH", path, {"chosen_options": [choice], "params_input": {}})


def states(airflow: Airflow, run: str) -> dict[str, str]:
    return {task.name: task.state for task in airflow.tasks(PROMOTE, run)}


def answers(settings: Settings) -> list[tuple[str, str]]:
    return [(item["verdict"], item["by"]) for item in decisions.find(fetched(settings, "tiny"), "approval")]


def again(airflow: Airflow, settings: Settings, name: str) -> str:
    """Ask once more for the first run."""
    (run,) = [tag.removeprefix("runs/") for tag in fetched(settings, "tiny").tags()]
    airflow.trigger(PROMOTE, name, {"run": run})
    wait(lambda: question(airflow, name))
    return name


def test_marking_the_task_successful_approves_nothing(settings, airflow, asked) -> None:
    run = again(airflow, settings, "forced")
    path = f"/dags/{PROMOTE}/dagRuns/{run}/taskInstances/approval"
    airflow._ask("PATCH", path, {"new_state": "success"})
    wait(lambda: states(airflow, run).get("promote") in FINISHED)
    # Nobody has ever answered: promote finds no record of an approval.
    assert champions.current(fetched(settings, "tiny")) is None
    assert answers(settings) == []


def test_a_person_sees_the_evidence_and_a_rejection_is_recorded(settings, airflow, asked) -> None:
    found = question(airflow, asked)
    assert found is not None
    assert [user["id"] for user in found["assigned_users"]] == ["admin"]
    assert found["defaults"] == ["Reject"]
    assert "| gate | | observed | threshold |" in found["body"]
    assert "| metric | challenger | champion |" in found["body"]
    respond(airflow, asked, "Reject")
    assert ended(airflow, PROMOTE, asked) == "success"
    assert states(airflow, asked) == {"approval": "success", "promote": "skipped"}
    assert answers(settings) == [("reject", "admin")]
    assert champions.current(fetched(settings, "tiny")) is None


def test_an_approval_promotes(settings, airflow, asked) -> None:
    run = again(airflow, settings, "approved")
    respond(airflow, run, "Approve")
    assert ended(airflow, PROMOTE, run) == "success"
    assert answers(settings) == [("approve", "admin"), ("reject", "admin")]
    standing = champions.current(fetched(settings, "tiny"))
    assert standing is not None
    assert (standing.version, standing.approver, standing.reason.kind) == (1, "admin", "approved")


@pytest.fixture(scope="module")
def second(settings: Settings, airflow: Airflow) -> Registry:
    """MLflow, once a second version has been approved."""
    airflow.trigger("tiny__retrain", "second", {"as_of": "2024-02-09"})
    assert ended(airflow, "tiny__retrain", "second") == "success"
    ((_, run),) = wait(lambda: airflow.caused("tiny__retrain", "second"))
    wait(lambda: question(airflow, run))
    respond(airflow, run, "Approve")
    assert ended(airflow, PROMOTE, run) == "success"
    registry = Registry.of(settings)
    assert registry.aliases("tiny")["champion"] == 2
    return registry


def test_the_form_takes_the_champion_back(settings, airflow, second) -> None:
    for name, conf in (("silent", {}), ("stranger", {"to": 7, "reason": "looks odd"})):
        airflow.trigger(ROLLBACK, name, conf)
        assert ended(airflow, ROLLBACK, name) == "failed"
        assert second.aliases("tiny")["champion"] == 2
    airflow.trigger(ROLLBACK, "back", {"reason": "more complaints than ever"})
    assert ended(airflow, ROLLBACK, "back") == "success"
    start, end = airflow.times(ROLLBACK, "back")
    assert (end - start).total_seconds() < 60
    back = champions.current(fetched(settings, "tiny"))
    assert back is not None
    assert (back.version, back.approver, back.reason.kind) == (1, "admin", "rollback")
    assert "more complaints than ever" in str(back.reason)
    assert second.aliases("tiny")["champion"] == 1


def test_an_alias_moved_by_hand_is_moved_back(settings, airflow, second) -> None:
    second.set_alias("tiny", "champion", 2)
    airflow.trigger(RECONCILE, "hourly", {})
    assert ended(airflow, RECONCILE, "hourly") == "success"
    assert second.aliases("tiny")["champion"] == 1
    (found, *_) = decisions.find(fetched(settings, "tiny"), "reconcile")
    assert "champion" in str(found)

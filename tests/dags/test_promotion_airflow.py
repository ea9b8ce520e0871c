"""Promotion in a real Airflow: an approval asked with the evidence and not to be got round, the way back, and the
registry brought back to what the ledger says."""

from __future__ import annotations

from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from typing import Any
from urllib.parse import quote

import pytest
from airflows import client, ended, fetched, shared, wait
from support import FIRST, write_tiny_model

from pipelines.config.settings import Settings
from pipelines.demo.airflow_api import FINISHED, Airflow
from pipelines.ledger import champion as champions
from pipelines.ledger import decisions
from pipelines.registry import Registry

pytestmark = [pytest.mark.services, pytest.mark.slow, pytest.mark.timeout(900)]
PATIENCE = timedelta(seconds=6)
LAST = (FIRST + timedelta(days=39)).isoformat()
MODEL = "asked"
RETRAIN, PROMOTE, ROLLBACK, RECONCILE = (f"{MODEL}__{dag}" for dag in ("retrain", "promote", "rollback", "reconcile"))


@pytest.fixture(scope="module")
def settings(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Settings]:
    """The services, with a model whose promotion a person approves."""
    with shared(tmp_path_factory) as settings:
        tiny = write_tiny_model(settings, MODEL, place="asked")
        tiny.edit("promotion: auto", "promotion: manual\napproval: {approvers: [admin], deadline_hours: 1}")
        # What is tried here is the way to champion and back: that the newer challenger is as good is not the point.
        tiny.edit("gates:", "gates:\n  modes: {champion: dry_run}")
        yield settings


@pytest.fixture(scope="module")
def airflow(settings: Settings) -> Airflow:
    airflow = client(settings)
    for dag in (f"{MODEL}__ingest", RETRAIN, PROMOTE, ROLLBACK, RECONCILE):
        wait(lambda dag=dag: airflow.knows(dag))
    return airflow


@pytest.fixture(scope="module")
def asked(airflow: Airflow) -> str:
    """The DAG run of the promotion that waits for a person, started by a retraining."""
    airflow.trigger(f"{MODEL}__ingest", "days", {"from": FIRST.isoformat(), "to": LAST})
    assert ended(airflow, f"{MODEL}__ingest", "days") == "success"
    airflow.trigger(RETRAIN, "first", {"as_of": "2024-02-04"})
    assert ended(airflow, RETRAIN, "first") == "success"
    ((_, run),) = wait(lambda: airflow.caused(RETRAIN, "first"))
    wait(lambda: question(airflow, run))
    return str(run)


def question(airflow: Airflow, run: str) -> dict[str, Any] | None:
    """What the approval asks, once it waits: an answer that Airflow takes before is kept, and never wakes the task."""
    if states(airflow, run).get("approval") != "awaiting_input":
        return None
    path = f"/dags/{PROMOTE}/dagRuns/{quote(run, safe='')}/taskInstances/approval/-1/hitlDetails"
    return airflow._ask("GET", path, none_on=404)


def settled(airflow: Airflow, run: str, choice: str) -> str:
    """How the run ended once it was answered, as a person does: some seconds after the question, and again if asked
    again. An answer within a second of its question may come before Airflow knows that the first half of the task is
    over: it then takes the task for lost, and asks anew."""
    path = f"/dags/{PROMOTE}/dagRuns/{quote(run, safe='')}/taskInstances/approval/-1/hitlDetails"

    def end() -> str | None:
        asked = question(airflow, run)
        if asked and not asked["chosen_options"] and datetime.now(UTC) - opened(asked) > PATIENCE:
            airflow._ask("PATCH", path, {"chosen_options": [choice], "params_input": {}})
        return state if (state := airflow.state(PROMOTE, run)) in FINISHED else None

    found: str = wait(end, told=lambda: states(airflow, run))
    return found


def opened(asked: dict[str, Any]) -> datetime:
    """When the task that asks began its present try."""
    return datetime.fromisoformat(asked["task_instance"]["start_date"])


def states(airflow: Airflow, run: str) -> dict[str, str]:
    return {task.name: task.state for task in airflow.tasks(PROMOTE, run)}


def answers(settings: Settings) -> list[tuple[str, str]]:
    """Who answered what, newest first; an answer that was asked for anew, and given again, once."""
    found = decisions.find(fetched(settings, MODEL), "approval")
    return list(dict.fromkeys((item["verdict"], item["by"]) for item in found))


def again(airflow: Airflow, settings: Settings, name: str) -> str:
    """Ask once more for the first run."""
    (run,) = [tag.removeprefix("runs/") for tag in fetched(settings, MODEL).tags()]
    airflow.trigger(PROMOTE, name, {"run": run})
    wait(lambda: question(airflow, name))
    return name


def test_marking_the_task_successful_approves_nothing(settings, airflow, asked) -> None:
    run = again(airflow, settings, "forced")
    path = f"/dags/{PROMOTE}/dagRuns/{run}/taskInstances/approval"
    airflow._ask("PATCH", path, {"new_state": "success"})
    wait(lambda: states(airflow, run).get("promote") in FINISHED)
    # Nobody has ever answered: promote finds no record of an approval.
    assert champions.current(fetched(settings, MODEL)) is None
    assert answers(settings) == []


def test_a_person_sees_the_evidence_and_a_rejection_is_recorded(settings, airflow, asked) -> None:
    found = question(airflow, asked)
    assert found is not None
    assert [user["id"] for user in found["assigned_users"]] == ["admin"]
    assert found["defaults"] == ["Reject"]
    assert "| gate | | observed | threshold |" in found["body"]
    assert "| metric | challenger | champion |" in found["body"]
    assert settled(airflow, asked, "Reject") == "success"
    assert states(airflow, asked) == {"approval": "success", "promote": "skipped"}
    assert answers(settings) == [("reject", "admin")]
    assert champions.current(fetched(settings, MODEL)) is None


def test_an_approval_promotes(settings, airflow, asked) -> None:
    run = again(airflow, settings, "approved")
    assert settled(airflow, run, "Approve") == "success"
    assert answers(settings) == [("approve", "admin"), ("reject", "admin")]
    standing = champions.current(fetched(settings, MODEL))
    assert standing is not None
    assert (standing.version, standing.approver, standing.reason.kind) == (1, "admin", "approved")


@pytest.fixture(scope="module")
def second(settings: Settings, airflow: Airflow) -> Registry:
    """MLflow, once a second version has been approved."""
    airflow.trigger(RETRAIN, "second", {"as_of": "2024-02-09"})
    assert ended(airflow, RETRAIN, "second") == "success"
    ((_, run),) = wait(lambda: airflow.caused(RETRAIN, "second"))
    assert settled(airflow, run, "Approve") == "success"
    registry = Registry.of(settings)
    assert registry.aliases(MODEL)["champion"] == 2
    return registry


def test_silence_rejects(settings, airflow, second) -> None:
    file = settings.models / MODEL / "model.yaml"
    file.write_text(file.read_text().replace("deadline_hours: 1}", "deadline_hours: 0.005}"))
    run = max(fetched(settings, MODEL).tags()).removeprefix("runs/")
    airflow.trigger(PROMOTE, "silence", {"run": run})
    assert ended(airflow, PROMOTE, "silence") == "success"
    assert states(airflow, "silence") == {"approval": "success", "promote": "skipped"}
    assert answers(settings)[0] == ("reject", "")


def test_the_form_takes_the_champion_back(settings, airflow, second) -> None:
    for name, conf in (("silent", {}), ("stranger", {"to": 7, "reason": "looks odd"})):
        airflow.trigger(ROLLBACK, name, conf)
        assert ended(airflow, ROLLBACK, name) == "failed"
        assert second.aliases(MODEL)["champion"] == 2
    airflow.trigger(ROLLBACK, "back", {"reason": "more complaints than ever"})
    assert ended(airflow, ROLLBACK, "back") == "success"
    start, end = airflow.times(ROLLBACK, "back")
    assert (end - start).total_seconds() < 60
    back = champions.current(fetched(settings, MODEL))
    assert back is not None
    assert (back.version, back.approver, back.reason.kind) == (1, "admin", "rollback")
    assert "more complaints than ever" in str(back.reason)
    assert second.aliases(MODEL)["champion"] == 1


def test_an_alias_moved_by_hand_is_moved_back(settings, airflow, second) -> None:
    second.set_alias(MODEL, "champion", 2)
    airflow.trigger(RECONCILE, "hourly", {})
    assert ended(airflow, RECONCILE, "hourly") == "success"
    assert second.aliases(MODEL)["champion"] == 1
    (found, *_) = decisions.find(fetched(settings, MODEL), "reconcile")
    assert "champion" in str(found)

"""Nights in a real Airflow: late data, backfills, lost and doubled events, a paused DAG. One story, told in order."""

from __future__ import annotations

import json
from collections.abc import Iterator
from datetime import UTC, date, datetime, timedelta
from pathlib import Path
from typing import Any

import pytest
from airflows import client, ended, fetched, shared, wait
from support import FIRST, TinyModel, orders, skies, write_tiny_model

from pipelines.config.settings import Settings
from pipelines.demo.airflow_api import Airflow
from pipelines.ledger import champion as champions
from pipelines.ledger import outbox, requests, verdicts
from pipelines.ledger.manifest import load_manifest
from pipelines.night.ingest import ingest

pytestmark = [pytest.mark.services, pytest.mark.slow, pytest.mark.timeout(1800)]
MODEL = "watched"
NIGHTLY, RETRAIN, UPKEEP = f"{MODEL}__nightly", f"{MODEL}__retrain", "evergreen__maintenance"
STEPS = ["ingest", "score", "monitor", "decide"]
# The nights of `fresh` were due some minutes ago: one of the day before yesterday's, and one that is still waiting.
DUE = datetime.now(UTC) - timedelta(minutes=10)
NEWEST = (DUE - timedelta(days=1)).date()


def day(number: int) -> date:
    return FIRST + timedelta(days=number)


@pytest.fixture(scope="module")
def settings(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Settings]:
    """`watched` with 28 days in its ledger and no champion; `fresh`, whose last two days are these days."""
    with shared(tmp_path_factory) as settings:
        deliver(settings)
        yield settings


def deliver(settings: Settings) -> None:
    tiny = write_tiny_model(settings, MODEL, place="nights")
    ingest(settings, MODEL, day(0), day(27), lambda _: None)
    fresh = write_tiny_model(settings, "fresh", days=0, place="nights")
    cron = f"{{start: {NEWEST - timedelta(days=1)}, cron: '{DUE:%M %H} * * *', wait_hours: 48, catchup: true}}"
    fresh.edit("schedule: {start: 2024-01-01, end: 2025-12-31}", f"schedule: {cron}")
    for table, make in (("orders", orders), ("skies", skies)):
        tiny.write(make(NEWEST - timedelta(days=1)), table, NEWEST - timedelta(days=1))
    tiny.write(orders(NEWEST), "orders", NEWEST)


@pytest.fixture(scope="module")
def tiny(settings: Settings) -> TinyModel:
    return TinyModel(MODEL, settings.models / MODEL, Path(settings.lake) / "nights", FIRST, day(39))


@pytest.fixture(scope="module")
def airflow(settings: Settings) -> Airflow:
    airflow = client(settings)
    for dag in (NIGHTLY, RETRAIN, f"{MODEL}__promote", UPKEEP, "fresh__nightly"):
        wait(lambda dag=dag: airflow.knows(dag))
    return airflow


def pause(airflow: Airflow, dag: str, paused: bool) -> None:
    airflow._ask("PATCH", f"/dags/{dag}?update_mask=is_paused", {"is_paused": paused})


def night(airflow: Airflow, number: int, run: str = "") -> str:
    """See the night of a day through; the id of its DAG run."""
    name = run or f"night-{number}"
    airflow.trigger(NIGHTLY, name, {"day": day(number).isoformat()})
    assert ended(airflow, NIGHTLY, name) == "success"
    return name


def states(airflow: Airflow, dag: str, run: str) -> dict[str, str]:
    return {task.name: task.state for task in airflow.tasks(dag, run)}


def decision(settings: Settings, when: date) -> dict[str, Any] | None:
    return verdicts.newest(fetched(settings, MODEL), when, when).get(when)


def seen(settings: Settings, when: date) -> Any:
    """What the decision of a night was made from."""
    return verdicts.evidence_of(fetched(settings, MODEL), decision(settings, when) or {})


def runs_of(airflow: Airflow, dag: str) -> dict[str, dict[str, Any]]:
    found = airflow._ask("GET", f"/dags/{dag}/dagRuns?limit=100") or {}
    return {run["dag_run_id"]: run for run in found["dag_runs"]}


def retrainings(airflow: Airflow) -> set[str]:
    return set(runs_of(airflow, RETRAIN))


def asset_id(airflow: Airflow, name: str) -> int:
    found = airflow._ask("GET", f"/assets?name_pattern={name}") or {}
    return int(next(item["id"] for item in found["assets"] if item["name"] == name))


@pytest.fixture(scope="module")
def first_night(settings: Settings, airflow: Airflow) -> Airflow:
    """A night without a champion, of a model that somebody wants retrained, while nobody listens to events."""
    pause(airflow, RETRAIN, paused=True)
    for _ in range(2):
        requests.ask(fetched(settings, MODEL), "alert-7", "drift alert 7", "tests")
    night(airflow, 28)
    return airflow


def test_without_a_champion_nothing_is_scored_and_the_night_goes_on(settings: Settings, first_night: Airflow) -> None:
    found = states(first_night, NIGHTLY, "night-28")
    assert found == {"ingest": "success", "score": "skipped", "monitor": "success", "decide": "success"}
    verdict = decision(settings, day(28))
    assert verdict is not None
    assert (verdict["verdict"], verdict["champion"]) == ("retrain", None)
    assert first_night.announced(NIGHTLY, "night-28") == 1


def test_a_paused_dag_loses_nothing(settings: Settings, first_night: Airflow) -> None:
    # Airflow drops the event of the night; what was asked for over its API waits there, and is one run.
    assert first_night.trigger(RETRAIN, "alert-8", {"note": "drift alert 8"})
    assert not first_night.trigger(RETRAIN, "alert-8", {"note": "drift alert 8"})
    assert retrainings(first_night) == {"alert-8"}
    assert first_night.state(RETRAIN, "alert-8") == "queued"
    assert {item.key for item in requests.open_requests(fetched(settings, MODEL))} == {"alert-7", f"night-{day(28)}"}
    pause(first_night, RETRAIN, paused=False)
    assert ended(first_night, RETRAIN, "alert-8") == "success"
    ((dag, run),) = wait(lambda: first_night.caused(RETRAIN, "alert-8"))
    assert ended(first_night, dag, run) == "success"
    ledger = fetched(settings, MODEL)
    settled = [requests.find(ledger, key) for key in ("alert-7", f"night-{day(28)}")]
    assert {item.state for item in settled if item} == {"done"}
    assert len({item.run for item in settled if item}) == 1
    standing = champions.current(ledger)
    assert standing is not None
    assert standing.run == settled[0].run  # type: ignore[union-attr]


@pytest.fixture(scope="module")
def promoted(settings: Settings, first_night: Airflow) -> Airflow:
    """The model has a champion."""
    if champions.current(fetched(settings, MODEL)) is None:
        test_a_paused_dag_loses_nothing(settings, first_night)
    return first_night


def test_an_event_that_comes_twice_starts_nothing(settings: Settings, promoted: Airflow) -> None:
    before, tags = retrainings(promoted), fetched(settings, MODEL).tags()
    promoted._ask("POST", "/assets/events", {"asset_id": asset_id(promoted, f"evergreen/{MODEL}/retrain"), "extra": {}})
    (run,) = wait(lambda: retrainings(promoted) - before)
    assert ended(promoted, RETRAIN, run) == "success"
    assert set(states(promoted, RETRAIN, run).values()) == {"skipped"}
    assert fetched(settings, MODEL).tags() == tags


def test_maintenance_wakes_what_nobody_has_claimed(settings: Settings, promoted: Airflow) -> None:
    before = retrainings(promoted)
    requests.ask(fetched(settings, MODEL), "alert-9", "drift alert 9", "tests")
    promoted.trigger(UPKEEP, "wake", {})
    (run,) = wait(lambda: retrainings(promoted) - before)
    assert ended(promoted, RETRAIN, run) == "success"
    # The same data and code as before: there is nothing to do, and that is the answer.
    settled = requests.find(fetched(settings, MODEL), "alert-9")
    assert settled is not None
    assert (settled.state, states(promoted, RETRAIN, run)["train"]) == ("done", "skipped")
    promoted.trigger(UPKEEP, "nobody", {})
    assert ended(promoted, UPKEEP, "nobody") == "success"
    assert states(promoted, UPKEEP, "nobody")["wake"] == "skipped"
    # From here on nobody is woken behind the back of the tests.
    pause(promoted, UPKEEP, paused=True)


@pytest.fixture(scope="module")
def scored(settings: Settings, tiny: TinyModel, promoted: Airflow) -> Airflow:
    """A night of a champion, of a day that lacks its weather."""
    late = tiny.path("skies", day(29))
    late.rename(late.with_suffix(".away"))
    night(promoted, 29)
    late.with_suffix(".away").rename(late)
    return promoted


def test_data_of_long_ago_is_not_waited_for_but_told_of(settings: Settings, scored: Airflow) -> None:
    assert states(scored, NIGHTLY, "night-29") == dict.fromkeys(STEPS, "success")
    assert seen(settings, day(29))["arrivals"]["missing"] == [f"skies {day(29)}"]
    heard = [entry.alert for entry in outbox.waiting(fetched(settings, MODEL))]
    assert [(alert.kind, alert.title) for alert in heard] == [
        ("missing", f"{MODEL} {day(29)}: skies did not come"),
        ("data_bug", f"{MODEL} {day(29)}: the data looks broken"),
    ]
    assert f"/dags/{NIGHTLY}/runs/night-29/" in heard[0].link


def test_a_backfilled_night_records_and_starts_nothing(settings: Settings, scored: Airflow) -> None:
    before = retrainings(scored)
    requests.ask(fetched(settings, MODEL), "alert-10", "drift alert 10", "tests")
    span = {"from_date": f"{day(30)}T00:00:00Z", "to_date": f"{day(30)}T23:59:59Z"}
    scored._ask("POST", "/backfills", {"dag_id": NIGHTLY, "max_active_runs": 1, **span})
    (run,) = wait(lambda: [name for name, run in runs_of(scored, NIGHTLY).items() if run["run_type"] == "backfill"])
    assert ended(scored, NIGHTLY, run) == "success"
    verdict = decision(settings, day(30))
    assert verdict is not None
    assert verdict["verdict"] == "wait"
    assert "Request fired" in verdict["sentence"]
    assert (seen(settings, day(30))["backfill"], scored.announced(NIGHTLY, run)) == (True, 0)
    assert retrainings(scored) == before


def test_the_next_night_decides_and_names_what_was_late_and_corrected(
    settings: Settings, tiny: TinyModel, scored: Airflow
) -> None:
    tiny.write(tiny.read("orders", day(28)).slice(0, 110), "orders", day(28))
    night(scored, 31)
    arrivals = seen(settings, day(31))["arrivals"]
    assert arrivals == {"missing": [], "late": [], "corrected": [f"orders {day(28)}"]}
    # The backfill before has taken the weather that was late.
    assert seen(settings, day(30))["arrivals"]["late"] == [f"skies {day(29)}"]
    kept = load_manifest(fetched(settings, MODEL)).accepted("orders", str(day(28)))
    assert kept is not None
    assert kept.revision == 2
    verdict = decision(settings, day(31))
    assert verdict is not None
    assert f"orders {day(28)}" in verdict["sentence"]
    assert "alert-10" in verdict["sentence"]
    assert (verdict["verdict"] == "retrain") == bool(scored.announced(NIGHTLY, "night-31"))


def test_a_night_repeated_changes_nothing(settings: Settings, scored: Airflow) -> None:
    scores = sorted((Path(settings.predictions) / MODEL / f"date={day(31)}").iterdir())
    stamps, first = {path: path.stat().st_mtime_ns for path in scores}, decision(settings, day(31))
    night(scored, 31, "again")
    assert decision(settings, day(31)) == first
    assert {path: path.stat().st_mtime_ns for path in scores} == stamps
    assert [path.name for path in scores if path.name.startswith("version")] == ["version-1.parquet"]


def test_a_night_waits_for_what_is_missing_and_goes_on_when_it_comes(
    settings: Settings, tiny: TinyModel, airflow: Airflow
) -> None:
    nights = wait(lambda: len(found := runs_of(airflow, "fresh__nightly")) == 2 and found)
    # Both nights since the start of the schedule, each of them once, the second after the first.
    by_day = {run["logical_date"][:10]: name for name, run in nights.items()}
    assert set(by_day) == {str(NEWEST - timedelta(days=1)), str(NEWEST)}
    waiting = by_day[str(NEWEST)]
    wait(lambda: states(airflow, "fresh__nightly", waiting)["ingest"] == "deferred")
    assert ended(airflow, "fresh__nightly", by_day[str(NEWEST - timedelta(days=1))]) == "success"
    assert outbox.waiting(fetched(settings, "fresh")) == ()
    tiny.write(skies(NEWEST), "skies", NEWEST)
    assert ended(airflow, "fresh__nightly", waiting) == "success"
    (task,) = (task for task in airflow.tasks("fresh__nightly", waiting) if task.name == "ingest")
    assert (task.state, task.attempt) == ("success", 1)
    newest = verdicts.newest(fetched(settings, "fresh"), NEWEST, NEWEST)[NEWEST]
    assert newest["verdict"] == "wait"


def test_the_form_takes_a_day_or_nothing(airflow: Airflow) -> None:
    for wrong in ({"day": "soon"}, {"day": "2024-02-30"}, {"day": 20240101}):
        with pytest.raises(Exception, match="answered 400"):
            airflow.trigger(NIGHTLY, f"wrong-{json.dumps(wrong)[:20]}", wrong)

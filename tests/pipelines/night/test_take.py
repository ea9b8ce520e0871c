"""A night's ingest: what is missing is said and no fault; what comes late or corrected is taken by a later night."""

from __future__ import annotations

from datetime import timedelta

import pytest

from pipelines.errors import ConfigError
from pipelines.ledger import Ledger, outbox
from pipelines.ledger.manifest import load_manifest
from pipelines.night import alarms
from pipelines.night.take import take


def quiet(_: str) -> None:
    pass


@pytest.fixture
def tiny(settings, tiny_model):
    """The tiny model after the nights of its first nine days."""
    take(settings, "tiny", tiny_model.day(8), quiet)
    return tiny_model


def test_a_night_takes_its_day_and_what_is_new_in_the_days_before(settings, tiny_model):
    found = take(settings, "tiny", tiny_model.day(8), quiet)
    # Eight days of two tables, and the static one: the first of the nine is too old.
    assert (found.accepted, found.missing, found.corrected, found.bad) == (17, (), (), ())
    assert load_manifest(Ledger.open(settings, "tiny")).days("orders")[0] == tiny_model.day(1)
    again = take(settings, "tiny", tiny_model.day(8), quiet)
    assert (again.accepted, again.missing, again.late) == (0, (), ())


def test_what_is_missing_is_named_by_table(settings, tiny):
    late = tiny.path("skies", tiny.day(9))
    late.rename(late.with_suffix(".away"))
    found = take(settings, "tiny", tiny.day(9), quiet)
    assert (found.missing, found.accepted) == (("skies",), 1)
    late.with_suffix(".away").rename(late)
    # The next night takes it, and says that it was late.
    found = take(settings, "tiny", tiny.day(10), quiet)
    assert (found.missing, found.accepted) == ((), 3)
    assert [(item.table, item.partition) for item in found.late] == [("skies", str(tiny.day(9)))]
    assert found.to_json()["late"] == [f"skies {tiny.day(9)} revision 1"]


def test_a_correction_is_the_next_revision_and_is_named(settings, tiny):
    day = tiny.day(5)
    tiny.write(tiny.read("orders", day).slice(0, 100), "orders", day)
    found = take(settings, "tiny", tiny.day(9), quiet)
    assert found.to_json()["corrected"] == [f"orders {day} revision 2"]
    assert found.late == ()


def test_a_table_that_never_came_and_an_empty_lake(settings, tiny_model):
    for path in tiny_model.lake.rglob("*.parquet"):
        path.unlink()
    found = take(settings, "tiny", tiny_model.day(3), quiet)
    assert found.missing == ("orders", "skies", "shops")
    assert Ledger.open(settings, "tiny").head("data")


def test_a_day_before_the_schedule_is_refused(settings, tiny_model):
    with pytest.raises(ConfigError, match="outside the model's schedule"):
        take(settings, "tiny", tiny_model.first - timedelta(days=1), quiet)


def test_people_hear_of_it_once(settings, tiny):
    ledger = Ledger.open(settings, "tiny")
    tiny.path("skies", tiny.day(9)).unlink()
    tiny.path("orders", tiny.day(8)).write_bytes(b"no parquet")
    found = take(settings, "tiny", tiny.day(9), quiet)
    for _ in range(2):
        alarms.of_ingest(ledger, tiny.model, found, "http://airflow/run")
    heard = outbox.waiting(ledger)
    assert [(entry.alert.kind, entry.alert.severity) for entry in heard] == [
        ("missing", "warning"),
        ("quarantined", "warning"),
    ]
    assert heard[0].alert.title == f"tiny {tiny.day(9)}: skies did not come"
    assert f"orders {tiny.day(8)}" in heard[1].alert.body
    assert heard[0].alert.link == "http://airflow/run"


@pytest.mark.parametrize(
    ("verdict", "heard"),
    [("data_bug", "failure"), ("broken", "failure"), ("over_budget", "warning"), ("retrain", None), ("wait", None)],
)
def test_of_verdicts_the_model_says_which_are_heard(settings, tiny, verdict, heard):
    ledger = Ledger.open(settings, "tiny")
    alarms.of_decision(ledger, tiny.model, tiny.day(8), {"verdict": verdict, "sentence": "why"}, "")
    assert [entry.alert.severity for entry in outbox.waiting(ledger)] == ([heard] if heard else [])


def test_who_asks_hears_of_retrainings(settings, tiny):
    tiny.edit("promotion: auto", "promotion: auto\nalerts: {on: [retrain]}")
    ledger = Ledger.open(settings, "tiny")
    for verdict in ("retrain", "broken"):
        alarms.of_decision(ledger, tiny.model, tiny.day(8), {"verdict": verdict, "sentence": "why"}, "")
    assert [entry.alert.kind for entry in outbox.waiting(ledger)] == ["retrain"]

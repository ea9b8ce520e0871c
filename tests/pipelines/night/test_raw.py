"""Raw profiles out of a ledger, and what nights say and remember about broken data."""

from __future__ import annotations

from datetime import date, timedelta
from pathlib import Path

import pyarrow as pa
import pytest
import stories
from support import TinyModel

from pipelines.config.settings import Settings
from pipelines.databug.days import Day, DayProfiles
from pipelines.ledger import requests
from pipelines.ledger.git import Ledger
from pipelines.night.decide import decide
from pipelines.night.ingest import ingest
from pipelines.night.monitor import monitor
from pipelines.night.raw import LASTING, _sound, broken_data, raw_profiles
from pipelines.policy.evidence import BugFact, Evidence

DAYS = 30  # that are in the ledger when a test begins
World = tuple[Settings, TinyModel]


@pytest.fixture(scope="module")
def begun(tmp_path_factory: pytest.TempPathFactory) -> World:
    settings = stories.fresh_settings(tmp_path_factory.mktemp("raw"))
    tiny = stories.write_tiny_model(settings)
    ingest(settings, "tiny", tiny.first, tiny.day(DAYS - 1), _quiet)
    return settings, tiny


@pytest.fixture
def world(begun: World, tmp_path: Path) -> World:
    settings, tiny = stories.copy(begun[0], tmp_path / "copy"), begun[1]
    lake = Path(settings.lake)
    return settings, TinyModel("tiny", settings.models / "tiny", lake, tiny.first, tiny.last)


def _quiet(_: str) -> None:
    """Say nothing."""


def renamed(tiny: TinyModel, number: int) -> None:
    """Deliver a day whose cakes are called something else."""
    table = tiny.read("orders", tiny.day(number))
    names = ["gateau" if name == "cake" else name for name in table["product"].to_pylist()]
    tiny.write(
        table.set_column(table.column_names.index("product"), "product", pa.array(names)), "orders", tiny.day(number)
    )


def night(world: World, number: int) -> Evidence:
    settings, tiny = world
    ingest(settings, "tiny", tiny.day(number), tiny.day(number), _quiet)
    return monitor(settings, "tiny", tiny.day(number), _quiet)


def ledger(world: World) -> Ledger:
    found = Ledger.open(world[0], "tiny")
    found.fetch()
    return found


def test_profiles_of_a_day_and_of_those_before_it(world):
    _, tiny = world
    found = raw_profiles(ledger(world), tiny.model, tiny.day(20), 14)
    assert set(found) == {"orders", "skies"}
    orders = found["orders"]
    assert (orders.state, orders.today.day, orders.today.rows) == ("accepted", tiny.day(20), 120)
    assert [item.day for item in orders.history] == [tiny.day(number) for number in range(6, 20)]
    for name, column in orders.today.profile["columns"].items():
        if column["kind"] == "number":
            assert len(column["hist"]) == len(orders.edges[name]) + 1
            assert sum(column["hist"]) == column["finite"]


def test_what_did_not_come_and_what_was_refused(world):
    settings, tiny = world
    table = tiny.read("orders", tiny.day(DAYS))
    tiny.write(table.set_column(4, "distance", pa.array([-999.0] * table.num_rows)), "orders", tiny.day(DAYS))
    tiny.path("skies", tiny.day(DAYS)).unlink()
    ingest(settings, "tiny", tiny.day(DAYS), tiny.day(DAYS), _quiet)
    found = raw_profiles(ledger(world), tiny.model, tiny.day(DAYS))
    assert (found["skies"].state, found["skies"].today) == ("missing", None)
    assert found["orders"].state == "quarantined"
    assert found["orders"].today.profile["columns"]["distance"]["max"] == -999
    assert "-999" in found["orders"].reasons[0]
    kinds = {(bug.table, bug.kind) for bug in broken_data(ledger(world), tiny.model, tiny.day(DAYS))}
    assert kinds >= {("skies", "table_stopped"), ("orders", "quarantined"), ("orders", "constant")}


def test_nothing_of_a_ledger_without_data(settings, tiny_model):
    empty = Ledger.open(settings, "tiny", create=True)
    assert broken_data(empty, tiny_model.model, tiny_model.day(5)) == ()


def test_a_bug_that_lasts_is_told_every_night_and_never_retrained_on(world):
    settings, tiny = world
    assert night(world, DAYS).bugs == ()
    for number in (DAYS + 1, DAYS + 2, DAYS + 3):
        renamed(tiny, number)
        (bug,) = night(world, number).bugs
        assert (bug.kind, bug.table, bug.column) == ("category_renamed", "orders", "product")
        decided = decide(settings, "tiny", tiny.day(number), say=_quiet)
        assert decided.summary["verdict"] == "data_bug"
        assert decided.summary["retrain"] is False
    assert requests.open_requests(ledger(world)) == ()
    assert night(world, DAYS + 4).bugs == (), "the old name is back, as the days before the bug had it"


def test_a_corrected_day_is_history_again(world):
    settings, tiny = world
    good = tiny.path("orders", tiny.day(DAYS)).read_bytes()
    renamed(tiny, DAYS)
    assert night(world, DAYS).bugs
    later = raw_profiles_at(world, DAYS + 1)
    assert tiny.day(DAYS) not in {item.day for item in later.history}
    tiny.path("orders", tiny.day(DAYS)).write_bytes(good)
    ingest(settings, "tiny", tiny.day(DAYS), tiny.day(DAYS), _quiet)
    later = raw_profiles_at(world, DAYS + 1)
    assert later.history[-1].day == tiny.day(DAYS)
    assert monitor(settings, "tiny", tiny.day(DAYS), _quiet).bugs == ()


def test_what_the_model_ignores_is_no_bug_tomorrow(world):
    """A carrier that really has another name now: its days are history at once."""
    _, tiny = world
    renamed(tiny, DAYS)
    assert night(world, DAYS).bugs
    tiny.edit("window:", "policy: {data_bug: {ignore: [category_renamed]}}\nwindow:")
    assert raw_profiles_at(world, DAYS + 1).history[-1].day == tiny.day(DAYS)


def raw_profiles_at(world: World, number: int) -> DayProfiles:
    from pipelines.night.raw import _broken

    there, model, day = ledger(world), world[1].model, world[1].day(number)
    return raw_profiles(there, model, day, broken=_broken(there, model, day))["orders"]


@pytest.mark.parametrize(("broken", "left"), [(0, 56), (10, 46), (LASTING - 1, 56 - LASTING + 1), (LASTING, LASTING)])
def test_a_change_that_lasts_for_weeks_is_how_the_world_is(broken, left):
    first = date(2024, 1, 1)
    history = [Day(first + timedelta(days=number), 1, {"columns": {}}) for number in range(56)]
    flagged = {item.day for item in history[56 - broken :]}
    assert len(_sound(history, flagged)) == left


def test_a_found_bug_goes_into_the_evidence_as_it_is(world):
    _, tiny = world
    renamed(tiny, DAYS)
    (bug,) = night(world, DAYS).bugs
    assert BugFact.from_json(bug.to_json()) == bug
    assert "'cake'" in bug.sentence
    assert "'gateau'" in bug.sentence

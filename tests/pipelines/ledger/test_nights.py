"""What nights saw: sharded by month, written by many at once, the newer saying wins."""

from concurrent.futures import ThreadPoolExecutor
from datetime import date, timedelta

import pytest

from pipelines.errors import InputError, IntegrityError
from pipelines.ledger import Ledger, nights

NEW_YEAR = date(2013, 1, 1)


def test_days_come_back_in_order_and_only_those_asked_for(world):
    days = [NEW_YEAR + timedelta(days=number) for number in (40, 0, 31, 364)]
    nights.write(world.ledger, {("monitor", day): {"n": number} for number, day in enumerate(days)}, "Nights")
    again = world.fresh()
    assert nights.read(again, "monitor", ["2013-02", "2013-01"]) == {
        days[1]: {"n": 1},
        days[2]: {"n": 2},
        days[0]: {"n": 0},
    }
    assert list(nights.days(again, "monitor", days[2], days[3])) == [days[2], days[0], days[3]]
    assert nights.read(again, "monitor", ["2012-12"]) == {}
    assert again.tree(again.head("nights")) == ["monitor/2013-01.json", "monitor/2013-02.json", "monitor/2013-12.json"]


def test_a_ledger_without_nights_has_none(world):
    assert nights.read(world.ledger, "scores", ["2013-01"]) == {}
    assert nights.read_file(world.ledger, "grids/table-flights") is None
    assert nights.write(world.ledger, {}, "Nothing") is None


def test_the_same_again_writes_nothing(world):
    values = {("profiles/abc123def456", NEW_YEAR): {"rows": 3, "top": [1, 2]}}
    head = nights.write(world.ledger, values, "Once")
    assert nights.write(world.ledger, {key: {"rows": 3, "top": (1, 2)} for key in values}, "Twice") == head


@pytest.mark.parametrize(
    ("old", "new", "stays"),
    [
        ({"at": "2026-01-02"}, {"at": "2026-01-01", "n": 1}, True),
        ({"at": "2026-01-02"}, {"at": "2026-01-02", "n": 1}, False),
        ({"at": "2026-01-02"}, {"at": "2026-01-03"}, False),
        ({"at": "2026-01-02"}, {"n": 1}, False),
        ({"n": 1}, {"at": "2026-01-01"}, False),
    ],
)
def test_the_newer_saying_wins(world, old, new, stays):
    for value in (old, new):
        nights.write(world.ledger, {("labels", NEW_YEAR): value}, "Label")
    assert nights.read(world.ledger, "labels", ["2013-01"]) == {NEW_YEAR: old if stays else new}


def test_versions_of_a_day_are_settled_one_by_one(world):
    first = {"1": {"at": "2026-01-05", "rows": 1}, "2": {"at": "2026-01-01", "rows": 2}}
    later = {"1": {"at": "2026-01-04", "rows": 9}, "2": {"at": "2026-01-04", "rows": 8}, "3": {"rows": 3}}
    for value in (first, later):
        nights.write(world.ledger, {("scores", NEW_YEAR): value}, "Scores")
    found = nights.read(world.ledger, "scores", ["2013-01"])[NEW_YEAR]
    assert {version: entry["rows"] for version, entry in found.items()} == {"1": 1, "2": 8, "3": 3}


def test_writers_at_once_all_stay(world):
    def one(number):
        ledger = Ledger.open(world.settings, "tiny")
        nights.write(ledger, {("scores", NEW_YEAR): {str(number): {"rows": number}}}, f"Version {number}")

    with ThreadPoolExecutor(4) as pool:
        list(pool.map(one, range(8)))
    assert len(nights.read(world.fresh(), "scores", ["2013-01"])[NEW_YEAR]) == 8


def test_what_is_put_first_stays(world):
    assert nights.put_new(world.ledger, {"grids/a": {"n": 1}}, "Grid") == {"grids/a": {"n": 1}}
    both = nights.put_new(world.fresh(), {"grids/a": {"n": 2}, "grids/b": {"n": 3}}, "Grids")
    assert both == {"grids/a": {"n": 1}, "grids/b": {"n": 3}}
    assert nights.read_file(world.fresh(), "grids/b") == {"n": 3}


@pytest.mark.parametrize("kind", ["", "../data", "Scores", "a//b", "a/../b", "a b", "a/"])
def test_names_that_are_no_folders_are_refused(world, kind):
    with pytest.raises(InputError):
        nights.write(world.ledger, {(kind, NEW_YEAR): {}}, "No")
    with pytest.raises(InputError):
        nights.put_new(world.ledger, {kind: {}}, "No")


@pytest.mark.parametrize("content", [b"{", b"[]", b'{"days": []}'])
def test_a_file_that_no_night_wrote_is_named(world, content):
    world.ledger.commit("nights", {"scores/2013-01.json": content}, "Spoil", parent=None)
    with pytest.raises(IntegrityError, match="2013-01") as error:
        nights.read(world.ledger, "scores", ["2013-01"])
    assert "mend" in error.value.line()

"""The expectations of the demo model against days of the real data that have something special."""

from datetime import date
from pathlib import Path

import pytest

from pipelines.config.load import load_model
from pipelines.demo.lake import SOURCES, _package_data, _partitions, _read
from pipelines.quality.suite import Suite
from pipelines.quality.verdict import judge_many

FOLDER = Path(__file__).parents[3] / "include" / "models" / "flights"
DAYS = {
    "New Year": "2013-01-01",
    "blizzard": "2013-02-08",
    "the day after": "2013-02-09",
    "wind of 1048 mph": "2013-02-12",
    "23 hours": "2013-03-10",
    "weather with gaps": "2013-08-22",
    "25 hours": "2013-11-03",
    "Thanksgiving": "2013-11-28",
    "last weather": "2013-12-30",
}


@pytest.fixture(scope="module")
def model():
    return load_model(FOLDER)


@pytest.fixture(scope="module")
def verdicts(model):
    suite = Suite.load(FOLDER, model)
    found = {}
    for table in ("flights", "weather", "planes"):
        wanted = [f"{table}/{day}.parquet" for day in DAYS.values()] + ["planes.parquet"]
        parts = dict(_partitions(table, _read(_package_data() / SOURCES[table], table)))
        chosen = [(name, parts[name]) for name in wanted if name in parts]
        days = [None if table == "planes" else date.fromisoformat(name[-18:-8]) for name, _ in chosen]
        judged = judge_many(suite, table, zip(days, (data for _, data in chosen), strict=True), model)
        found |= {(table, day): verdict for day, verdict in zip(days, judged, strict=True)}
    return found


def test_no_real_day_is_quarantined(verdicts):
    assert len(verdicts) == 2 * len(DAYS) + 1
    assert {key: item.reasons for key, item in verdicts.items() if not item.accepted} == {}


def test_what_is_odd_is_told(verdicts):
    told = {(table, str(day)) for (table, day), item in verdicts.items() if item.warnings}
    assert told == {
        ("flights", DAYS["blizzard"]),
        ("flights", DAYS["the day after"]),
        ("weather", DAYS["wind of 1048 mph"]),
        ("weather", DAYS["last weather"]),
    }


def test_every_column_of_the_delivery_is_declared(model):
    suite = Suite.load(FOLDER, model)
    for table in model.tables:
        header = _read(_package_data() / SOURCES[table], table).column_names
        typed = [rule.arguments["column"] for rule in suite.of(table) if rule.expect == "ExpectColumnValuesToBeOfType"]
        assert typed == header

"""Ingest: corrections, repeats, ranges, interruptions and what the report says."""

import os
import shutil
import subprocess
import sys
import time
from datetime import date, timedelta
from pathlib import Path

import pyarrow.compute as pc
import pytest
from support import TinyModel, write_tiny_model

from pipelines.drift.grid import Grid, grid_id
from pipelines.drift.profile import merge_all
from pipelines.errors import ConfigError, DataError, PassingFault
from pipelines.ledger.data import load_grids, load_manifest, load_profiles
from pipelines.ledger.git import Ledger
from pipelines.night import ingest as module
from pipelines.night.ingest import ingest
from pipelines.night.report import Fate
from pipelines.storage.files import sha256_file

ROWS = 60


@pytest.fixture
def tiny(settings) -> TinyModel:
    return write_tiny_model(settings, days=4, rows=ROWS)


@pytest.fixture
def take(settings, tiny):
    """Ingest the whole lake, or the days given."""
    return lambda first=tiny.first, last=tiny.last, say=lambda _: None: ingest(settings, "tiny", first, last, say)


def correct(tiny, day, change):
    data = tiny.read("orders", day)
    tiny.write(data.set_column(4, "distance", change(data["distance"])), "orders", day)


def farther(column):
    return pc.add(column, 0.25)


def sentinel(column):
    return pc.multiply(column, -999.0)


def fate(report, table, partition):
    return next(o for o in report.outcomes if (o.table, o.partition) == (table, str(partition)))


def test_everything_is_taken_in_byte_for_byte_with_its_profile(settings, tiny, take):
    report = take()
    assert {outcome.fate for outcome in report.outcomes} == {Fate.ACCEPTED}
    assert len(report.outcomes) == 2 * 4 + 1
    ledger = Ledger.open(settings, "tiny")
    item = load_manifest(ledger).accepted("orders", "2024-01-02")
    assert item.sha256 == sha256_file(tiny.path("orders", date(2024, 1, 2)))
    assert (item.revision, item.rows, item.source) == (1, ROWS, "orders/2024-01-02.parquet")
    assert b'"2024-01-02"' in ledger.read("data", "profiles/orders/2024-01.json")


def test_the_first_ingest_makes_the_grids_and_later_ones_keep_them(settings, tiny, take):
    take(last=tiny.day(1))
    ledger = Ledger.open(settings, "tiny")
    grids = load_grids(ledger, ["orders", "skies", "stores", "none"])
    assert {"orders", "skies"} <= set(grids)
    assert "none" not in grids
    take()
    ledger.fetch()
    assert load_grids(ledger, grids) == grids
    manifest, grid = load_manifest(ledger), Grid.from_json(grids["orders"])
    partitions = [manifest.accepted("orders", tiny.day(number).isoformat()) for number in range(4)]
    whole = merge_all(load_profiles(ledger, partitions))["columns"]
    for name, bins in grid.columns.items():
        assert whole[name]["grid"] == grid_id(bins)
        assert sum(whole[name]["hist"]) == whole[name].get("finite", 4 * ROWS - whole[name]["nulls"])


def test_what_is_quarantined_makes_no_grid(settings, tiny, take):
    correct(tiny, tiny.first, sentinel)
    take(last=tiny.first)
    ledger = Ledger.open(settings, "tiny")
    assert not load_manifest(ledger).accepted("orders", tiny.first.isoformat())
    assert "orders" not in load_grids(ledger, ["orders"])
    take()
    ledger.fetch()
    assert max(load_grids(ledger, ["orders"])["orders"]["columns"]["distance"]["values"]) > 0


def test_a_correction_is_a_new_revision_beside_the_old(settings, tiny, take):
    """Case 44."""
    take()
    first = load_manifest(Ledger.open(settings, "tiny"))
    correct(tiny, tiny.day(1), farther)
    report = take()
    assert (fate(report, "orders", tiny.day(1)).fate, fate(report, "orders", tiny.day(1)).revision) == ("accepted", 2)
    assert len(report.of(Fate.UNCHANGED)) == 8
    manifest = load_manifest(Ledger.open(settings, "tiny"))
    newest = manifest.accepted("orders", "2024-01-02")
    assert newest.path == "lake/orders/2024-01/2024-01-02.r2.parquet"
    assert first.accepted("orders", "2024-01-02") in list(manifest)


def test_a_bad_correction_leaves_the_accepted_revision_in_use(settings, tiny, take):
    take()
    before = load_manifest(Ledger.open(settings, "tiny")).accepted("orders", "2024-01-02")
    correct(tiny, tiny.day(1), sentinel)
    outcome = fate(take(), "orders", tiny.day(1))
    assert outcome.fate is Fate.QUARANTINED
    assert outcome.warnings == ("revision 2 is quarantined: revision 1 stays in use",)
    manifest = load_manifest(Ledger.open(settings, "tiny"))
    assert manifest.accepted("orders", "2024-01-02") == before
    assert manifest.latest("orders", "2024-01-02").revision == 2
    assert not take().changed


def test_stricter_expectations_judge_again_and_looser_ones_let_in(settings, tiny, take):
    take()
    tiny.edit("max_value: 40", "max_value: 4", "expectations.yaml")
    assert {o.table for o in take().of(Fate.QUARANTINED)} == {"orders"}
    assert load_manifest(Ledger.open(settings, "tiny")).days("orders") == []
    tiny.edit("max_value: 4", "max_value: 40", "expectations.yaml")
    report = take()
    assert [o.revision for o in report.of(Fate.ACCEPTED)] == [1] * 4
    assert len(report.of(Fate.UNCHANGED)) == 5
    assert len(load_manifest(Ledger.open(settings, "tiny")).days("orders")) == 4


def test_raised_caps_let_in_what_was_too_large(tiny, take):
    tiny.edit("window:", f"validation: {{max_rows: {ROWS - 1}}}\nwindow:")
    assert len(take().of(Fate.QUARANTINED)) == 4
    assert not take().changed
    tiny.edit(f"max_rows: {ROWS - 1}", f"max_rows: {ROWS}")
    assert len(take().of(Fate.ACCEPTED)) == 4


def test_missing_days_are_told_and_known_ones_stay(tiny, take):
    """Case 9."""
    take()
    tiny.path("orders", tiny.day(1)).unlink()
    later = tiny.last + timedelta(days=2)
    report = take(last=later)
    assert fate(report, "orders", tiny.day(1)).fate is Fate.UNCHANGED
    assert {(o.table, o.partition) for o in report.of(Fate.MISSING)} == {
        (table, day) for table in ("orders", "skies") for day in ("2024-01-05", "2024-01-06")
    }


@pytest.mark.parametrize(
    ("first", "last", "error", "said"),
    [
        ("2024-02-01", "2024-02-02", DataError, "no partition from 2024-02-01 to 2024-02-02"),
        ("2024-01-02", "2024-01-01", ConfigError, "2024-01-02 is after 2024-01-01"),
        ("2023-12-31", "2024-01-01", ConfigError, "outside the model's schedule"),
        ("2024-01-01", "2100-01-02", ConfigError, "outside the model's schedule"),
    ],
)
def test_a_range_that_cannot_be_is_refused_before_there_is_a_ledger(settings, take, first, last, error, said):
    with pytest.raises(error, match=said) as caught:
        take(date.fromisoformat(first), date.fromisoformat(last))
    assert caught.value.exit_code == 3
    assert not Path(settings.ledgers).exists()


def test_no_lake_at_all_is_told_with_the_setting_to_look_at(tiny, take):
    shutil.rmtree(tiny.lake)
    with pytest.raises(DataError, match="EVERGREEN_LAKE"):
        take()


def test_an_unknown_model_is_refused(settings, tiny):
    with pytest.raises(ConfigError, match="there is no model 'other'"):
        ingest(settings, "other", tiny.first, tiny.last, lambda _: None)


def test_a_fault_in_the_middle_keeps_the_finished_batches(settings, tiny, take, monkeypatch):
    monkeypatch.setattr(module, "BATCH_DAYS", 2)
    publish, calls = module.publish, []

    def once(*args):
        calls.append(args)
        if len(calls) == 2:
            raise PassingFault("the remote is away")
        return publish(*args)

    monkeypatch.setattr(module, "publish", once)
    with pytest.raises(PassingFault):
        take()
    assert load_manifest(Ledger.open(settings, "tiny")).days("orders") == [tiny.day(0), tiny.day(1)]
    monkeypatch.setattr(module, "publish", publish)
    report = take()
    assert (len(report.of(Fate.UNCHANGED)), len(report.of(Fate.ACCEPTED))) == (5, 4)


def test_batches_do_not_change_a_verdict(settings, tiny, take, monkeypatch):
    take()
    whole = load_manifest(Ledger.open(settings, "tiny"))
    shutil.rmtree(settings.ledgers)
    shutil.rmtree(settings.mirrors)
    monkeypatch.setattr(module, "BATCH_DAYS", 1)
    take()
    assert list(load_manifest(Ledger.open(settings, "tiny"))) == list(whole)


def test_no_copy_is_left_behind(settings, tiny, take):
    take()
    correct(tiny, tiny.day(1), sentinel)
    take()
    assert not list(settings.workspaces.glob(".ingest-*"))


def test_what_a_killed_ingest_left_behind_is_cleared_once_it_is_old(settings, take):
    for name, age in (("old", 2 * 86400), ("new", 60)):
        (settings.workspaces / f".ingest-{name}").mkdir(parents=True)
        os.utime(settings.workspaces / f".ingest-{name}", (time.time() - age,) * 2)
    take()
    assert [path.name for path in settings.workspaces.glob(".ingest-*")] == [".ingest-new"]


def test_great_expectations_is_not_loaded_when_there_is_nothing_to_judge(take, tiny):
    """Its import takes seconds, and most nights of most tables hold nothing new on a second look."""
    take()
    code = (
        "import sys; from datetime import date; from pipelines.config import settings; "
        "from pipelines.night.ingest import ingest; days = date(2024, 1, 1), date(2024, 1, 4); "
        "ingest(settings.load(), 'tiny', *days, print); "
        "sys.exit('great_expectations' in sys.modules or 'pandas' in sys.modules or 'dvc' in sys.modules)"
    )
    assert subprocess.run([sys.executable, "-c", code], check=False, cwd=Path(__file__).parents[3]).returncode == 0


def test_the_report_is_plain_json_and_a_short_table(tiny, take):
    correct(tiny, tiny.day(1), sentinel)
    report = take(say=(said := []).append)
    told = report.to_json()
    assert (told["accepted"], told["unchanged"], told["missing"]) == (8, 0, [])
    assert told["quarantined"][0]["partition"] == "2024-01-02"
    assert told["rows"] == 3 * ROWS + 4 * 4 + 4
    assert "quarantined orders 2024-01-02: ExpectColumnValuesToBeBetween" in report.render()
    assert any("judging" in line for line in said)
    assert any("publishing" in line for line in said)

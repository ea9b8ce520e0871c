"""One prediction, back to its data."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta

import pyarrow.compute as pc
import pytest
import stories

from pipelines.audit import trace as module
from pipelines.audit.trace import trace
from pipelines.audit.traced import render
from pipelines.errors import InputError, IntegrityError
from pipelines.ledger import champion
from pipelines.ledger.manifest import load_manifest
from pipelines.night.version import Version


def quiet(_):
    pass


def key(world, number, row=5):
    return world.story.tiny.read("orders", world.day(number))["order_id"][row].as_py()


@pytest.fixture(scope="module")
def found(scored):
    return trace(scored.settings, "tiny", key(scored, 31), scored.day(31), quiet)


def test_score_and_contributions_add_up(found):
    (score,), (margin,) = found["scores"], found["margins"]
    assert score["stamped"] == score["recomputed"]
    parts = sum(item["contributions"]["score"] for item in found["features"]) + margin["bias"]
    assert parts == pytest.approx(margin["sum"], abs=1e-9)
    assert margin["sum"] == pytest.approx(margin["margin"], abs=1e-5)
    assert found["broken"] == []


def test_features_are_those_of_the_row(scored, found):
    order = scored.story.tiny.read("orders", scored.day(31)).slice(5, 1).to_pylist()[0]
    values = {item["feature"]: item["value"] for item in found["features"]}
    assert (values["shop"], values["product"]) == (order["shop"], order["product"])
    assert values["distance"] == pytest.approx(order["distance"], rel=1e-6)
    sizes = [abs(item["contributions"]["score"]) for item in found["features"]]
    assert sizes == sorted(sizes, reverse=True)


def test_the_data_behind_are_those_of_the_ledger(scored, found):
    manifest = load_manifest(scored.ledger())
    listed = found["data"]["partitions"]
    assert found["data"]["commit"] == scored.ledger().head("data")
    assert listed == [manifest.accepted(item["table"], item["partition"]).to_dict() for item in listed]
    days = sorted(item["partition"] for item in listed if item["table"] == "orders")
    assert (days[0], days[-1]) == (str(scored.day(31 - 9)), str(scored.day(31)))
    assert found["data"]["corrected_since"] == []


def test_the_label_is_told_once_it_has_come(scored, found):
    delay = scored.story.tiny.read("orders", scored.day(31))["delay"][5].as_py()
    assert found["label"]["value"] == (None if delay is None else float(delay > 15))


def test_a_label_that_is_missing_or_not_due_says_why(scored):
    table = scored.story.tiny.read("orders", scored.day(32))
    empty = pc.index(pc.is_null(table["delay"]), True).as_py()
    assert empty >= 0
    told = trace(scored.settings, "tiny", key(scored, 32, empty), scored.day(32), quiet)["label"]
    assert (told["value"], told["why"]) == (None, "none came for this row, or a correction removed it")


def test_a_later_correction_is_named_and_changes_nothing(copied, found):
    tiny = copied.story.tiny
    day = tiny.read("orders", copied.day(30))
    tiny.write(day.set_column(4, "distance", pc.add(day["distance"], 1.0)), "orders", copied.day(30))
    copied.ingest(30)
    later = trace(copied.settings, "tiny", key(copied, 31), copied.day(31), quiet)
    assert later["scores"] == found["scores"]
    assert later["data"]["partitions"] == found["data"]["partitions"]
    (newer,) = later["data"]["corrected_since"]
    assert (newer["partition"], newer["revision"]) == (str(copied.day(30)), 2)
    assert "corrected since: lake/orders/2024-01/2024-01-31.r2.parquet" in render(later)


def test_an_unknown_key_names_near_ones(scored):
    with pytest.raises(InputError, match="no row has the key 20240201-00999") as told:
        trace(scored.settings, "tiny", "20240201-00999", scored.day(31), quiet)
    assert "20240201-0009" in told.value.remedy


def test_a_day_or_version_without_scores_is_refused(scored):
    with pytest.raises(InputError, match="nothing was scored for 2024-02-08"):
        trace(scored.settings, "tiny", "x", scored.day(38), quiet)
    with pytest.raises(InputError, match="version 7 scored nothing"):
        trace(scored.settings, "tiny", "x", scored.day(31), quiet, version=7)


def test_other_bytes_than_were_recorded_are_refused(copied):
    file = copied.settings.home / "predictions" / "tiny" / f"date={copied.day(31)}" / "version-1.parquet"
    file.chmod(0o644)
    file.write_bytes(file.read_bytes() + b"x")
    with pytest.raises(IntegrityError, match="holds other bytes"):
        trace(copied.settings, "tiny", key(copied, 31), copied.day(31), quiet)


def test_a_score_that_comes_out_otherwise_is_told(scored, monkeypatch):
    honest = Version.scores
    monkeypatch.setattr(Version, "scores", lambda self, batches: honest(self, batches) + 0.25)
    told = trace(scored.settings, "tiny", key(scored, 31), scored.day(31), quiet)
    assert "was stamped as" in told["broken"][0]
    assert "NOT equal" in render(told)


def test_rows_built_for_one_version_are_another_ones_too():
    now = datetime(2026, 1, 1, tzinfo=UTC)
    scored = {
        "1": {"features": "a", "at": (now + timedelta(hours=1)).isoformat()},
        "2": {"features": "a", "at": now.isoformat()},
        "3": {"features": "b", "at": (now - timedelta(hours=1)).isoformat()},
    }
    assert module._first_use(scored, scored["1"]) == now


def test_the_command_prints_it(scored):
    done = stories.evergreen(scored.settings, "trace", "tiny", key(scored, 31), "--date", str(scored.day(31)))
    assert done.returncode == 0, done.stderr
    assert "as stamped" in done.stdout
    assert "equal" in done.stdout


def test_a_former_champions_prediction_is_traced_as_long_as_it_is_kept(copied, found):
    ledger = copied.ledger()
    for number in (2, 3):  # more than `champions_days` ago it was replaced, and it is not the one before either
        newer = {
            "version": number,
            "run": f"2024-02-0{number}-20260101T000000Z-00000{number}",
            "since": datetime.now(UTC) - timedelta(days=400 - number),
        }
        record = champion.current(ledger).model_copy(update=newer)
        champion.promote(ledger, record, ledger.head("champion"))
    done = stories.evergreen(copied.settings, "gc", "--apply", "--json", "--young-seconds", "0")
    assert done.returncode == 0, done.stderr
    kept = stories.last_json(done)["models"]["tiny"]["kept"]
    assert kept[copied.story.reports[0]["run"]] == f"its predictions of {copied.day(32)} are kept"
    again = trace(copied.settings, "tiny", key(copied, 31), copied.day(31), quiet)
    assert (again["scores"], again["broken"]) == (found["scores"], [])

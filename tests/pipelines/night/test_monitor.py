"""A night's monitoring: drift, estimates, truth when it comes, arrivals, and what is kept of it."""

from __future__ import annotations

from datetime import timedelta
from pathlib import Path

import pyarrow as pa
import pytest
import stories
from night_worlds import Nights
from stories import AS_OF

from pipelines.errors import IntegrityError
from pipelines.ledger import nights
from pipelines.night.monitor import monitor
from pipelines.night.page import render
from pipelines.performance.loss import Sums
from pipelines.policy.evidence import Evidence

Five = tuple[Nights, list[Evidence]]


def test_the_champion_is_told_with_its_age_in_data_time(five: Five) -> None:
    there, seen = five
    champion = seen[-1].champion
    assert champion is not None
    assert (champion.version, champion.as_of) == (1, there.day(AS_OF))
    assert champion.test_end == there.day(AS_OF - 1)
    assert champion.trained_rows > 0
    assert champion.train_seconds > 0
    assert [evidence.age_days for evidence in seen] == [1, 2, 3, 4, 5]


def test_labels_that_have_come_become_performance(five: Five) -> None:
    there, seen = five
    assert [len(evidence.performance) for evidence in seen] == [0, 1, 2, 3, 4]
    newest = seen[-1].performance[-1]
    assert newest.day == there.day(AS_OF + 4)
    assert 0 < newest.loss < 1
    assert newest.loss == pytest.approx(newest.metrics["log_loss"])
    assert newest.estimated_loss is not None
    assert newest.baseline_loss is not None
    assert newest.loss < newest.baseline_loss
    assert seen[-1].performance[:-1] == seen[-2].performance


def test_an_estimate_comes_first_and_is_held_against_the_truth_later(five: Five) -> None:
    there, seen = five
    estimates = {item.metric: item for item in seen[0].estimated}
    assert set(estimates) == {"auc", "pr_auc", "log_loss", "brier"}
    assert {item.day for item in seen[0].estimated} == {there.day(AS_OF + 1)}
    entry = there.kept("quality", AS_OF + 1)["1"]
    loss = estimates["log_loss"]
    assert loss.low is not None
    assert loss.high is not None
    assert loss.low < loss.value < loss.high
    assert loss.value == pytest.approx(entry["metrics"]["log_loss"], abs=0.15)
    assert entry["estimated"]["log_loss"]["value"] == loss.value
    assert entry["errors"]["log_loss"] == pytest.approx(loss.value - entry["metrics"]["log_loss"])


def test_quality_is_kept_by_slice_in_sums_that_merge(five: Five) -> None:
    entry = five[0].kept("quality", AS_OF + 1)["1"]
    parts = entry["slices"]["shop"]
    assert set(parts) == {"north", "south", "east", "west"}
    whole = Sums.total(Sums.from_json(part) for part in parts.values())
    assert whole.rows == entry["labelled"]
    assert whole.loss_sum == pytest.approx(entry["loss_sum"])
    low, high = entry["intervals"]["log_loss"]
    assert low < entry["metrics"]["log_loss"] < high


def test_drift_leads_with_what_matters(five: Five) -> None:
    drift = five[1][-1].drift
    assert drift is not None
    weights = [column.effect * column.importance for column in drift.columns]
    assert weights == sorted(weights, reverse=True)
    assert drift.score == pytest.approx(sum(weights))
    assert 0 <= drift.score < 0.1
    assert sum(column.importance for column in drift.columns) == pytest.approx(1, abs=0.01)
    assert drift.prediction is not None
    assert drift.label is not None
    assert drift.separability is not None
    assert drift.separability.low <= drift.separability.auc <= drift.separability.high


def test_the_record_holds_the_evidence_and_the_detail_behind_it(five: Five) -> None:
    there, seen = five
    record = there.kept("monitor", AS_OF + 5)
    assert Evidence.from_json(record) == seen[-1]
    assert set(record["detail"]) == {"training", "weeks_before", "prediction", "label"}
    assert {"js", "psi", "wasserstein", "null_shift"} <= set(record["detail"]["weeks_before"][0])
    assert record["data"] == there.ledger().head("data")


def test_the_page_tells_it_in_a_few_lines(five: Five) -> None:
    text = render(five[1][-1])
    assert "version 1" in text
    assert "drift" in text
    assert len(text.splitlines()) < 25


def test_the_training_days_are_profiled_once_for_all_champions(world: Nights, monkeypatch: pytest.MonkeyPatch) -> None:
    world.night(31)
    world.retrain(36)
    written: list[tuple[str, object]] = []
    write = nights.write
    monkeypatch.setattr(
        nights, "write", lambda ledger, values, message: written.extend(values) or write(ledger, values, message)
    )
    world.score(37)
    profiled = {day for kind, day in written if kind.startswith("profiles/")}
    assert profiled == {world.day(number) for number in (30, 32, 33, 34, 35, 37)}


def test_a_corrected_day_is_measured_again_and_named(world: Nights) -> None:
    for number in (31, 32):
        world.night(number)
    before = world.kept("quality", 31)["1"]
    tiny = world.story.tiny
    orders = tiny.read("orders", world.day(31))
    late = pa.array([60 if value is not None else None for value in orders["delay"].to_pylist()], pa.int32())
    tiny.write(orders.set_column(orders.column_names.index("delay"), "delay", late), "orders", world.day(31))
    world.ingest(31)
    evidence = world.night(33)
    after = world.kept("quality", 31)["1"]
    assert evidence.arrivals.corrected == (f"orders {world.day(31)}",)
    assert (before["events"]["revision"], after["events"]["revision"]) == (1, 2)
    assert after["scored_on"]["revision"] == 1
    assert after["label_sum"] == after["labelled"]
    assert after["loss_sum"] > before["loss_sum"]
    assert evidence.performance[0].loss == pytest.approx(after["loss_sum"] / after["labelled"])
    assert world.night(34).arrivals.corrected == ()


def test_a_late_and_a_missing_partition_are_named(tmp_path: Path, world: Nights) -> None:
    tiny = world.story.tiny
    evidence = world.monitor(40)
    assert evidence.arrivals.missing == (f"orders {world.day(40)}", f"skies {world.day(40)}")
    import support

    for number in (40, 41):
        tiny.write(support.orders(world.day(number)), "orders", world.day(number))
        tiny.write(support.skies(world.day(number)), "skies", world.day(number))
        world.ingest(number)
    evidence = world.monitor(41)
    assert evidence.arrivals.late == (f"orders {world.day(40)}", f"skies {world.day(40)}")
    assert evidence.arrivals.missing == ()


def test_moved_data_drift(world: Nights) -> None:
    tiny = world.story.tiny
    for number in range(31, 36):
        orders = tiny.read("orders", world.day(number))
        place = orders.column_names.index("distance")
        moved = pa.array([min(40.0, value + 6) for value in orders["distance"].to_pylist()])
        tiny.write(orders.set_column(place, "distance", moved), "orders", world.day(number))
    world.ingest(31, 35)
    for number in range(31, 36):
        world.score(number)
    drift = world.monitor(35).drift
    assert drift is not None
    assert drift.columns[0].name == "distance"
    assert drift.columns[0].effect > 0.3
    assert drift.score > 0.1
    assert drift.prediction is not None
    assert drift.prediction > 0.1


def test_columns_switched_off_count_for_nothing(world: Nights) -> None:
    world.story.tiny.edit("promotion: auto", "promotion: auto\nmonitoring: {columns_off: [distance]}")
    drift = world.night(31).drift
    assert drift is not None
    assert {column.name: column.importance for column in drift.columns}["distance"] == 0


def test_predictions_that_are_gone_are_told_and_do_not_stop_the_night(world: Nights) -> None:
    world.score(31)
    (Path(world.settings.predictions) / "tiny" / f"date={world.day(31)}" / "version-1.parquet").unlink()
    assert world.night(32).performance == ()
    assert world.kept("quality", 31)["1"]["gone"].endswith("version-1.parquet")


def test_predictions_of_other_bytes_are_refused(world: Nights) -> None:
    done = world.score(31).champion
    Path(done.file).write_bytes(b"of somebody else")
    with pytest.raises(IntegrityError, match="holds other bytes already"):
        world.monitor(31)


def test_looking_again_sees_the_same(five: Five) -> None:
    there, seen = five
    assert there.monitor(AS_OF + 5) == seen[-1]


def test_without_a_champion_the_data_alone_are_looked_at(tmp_path_factory, tmp_path) -> None:
    story = stories.ingested(tmp_path_factory).copy(tmp_path / "copy")
    settings, tiny = story.settings, story.tiny
    evidence = monitor(settings, "tiny", tiny.day(31), lambda _: None)
    assert evidence.champion is None
    assert evidence.drift is None
    assert evidence.performance == ()
    assert evidence.new_rows == sum(len(tiny.read("orders", tiny.first + timedelta(days=n))) for n in range(31))
    assert "no champion yet" in render(evidence)

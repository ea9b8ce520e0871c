"""Scoring a day: stamped, written once, recorded, with or without a shadow."""

from __future__ import annotations

import shutil
from datetime import UTC, datetime
from pathlib import Path

import pyarrow as pa
import pyarrow.parquet as pq
import pytest
import stories
from night_worlds import Nights

from pipelines.errors import DataError, IntegrityError, NothingToDo
from pipelines.night.score import score


def test_every_row_says_who_scored_it_from_what_and_when(world: Nights) -> None:
    now = datetime(2026, 1, 2, tzinfo=UTC)
    done = world.score(31, now=now).champion
    table = pq.read_table(done.file)
    orders = world.story.tiny.read("orders", world.day(31))
    assert Path(done.file).parts[-3:] == ("tiny", f"date={world.day(31)}", "version-1.parquet")
    assert table["order_id"].to_pylist() == orders["order_id"].to_pylist()
    assert set(table["model_version"].to_pylist()) == {1}
    assert set(table["run"].to_pylist()) == {done.run}
    assert set(table["scored_at"].to_pylist()) == {now}
    assert {len(text) for text in table["features_sha256"].to_pylist()} == {64}
    assert set(table["event_date"].to_pylist()) == {world.day(31)}


def test_what_is_recorded_is_what_was_written(world: Nights) -> None:
    done = world.score(31).champion
    entry = world.kept("scores", 31)["1"]
    assert (entry["file"], entry["sha256"], entry["rows"]) == (done.file, done.sha256, done.rows)
    assert entry["role"] == "champion"
    assert entry["profile"]["columns"]["score"]["count"] == done.rows
    assert world.kept(f"profiles/{entry['features']}", 31)["rows"] == done.rows
    features = Path(done.file).with_name(f"features-{entry['features']}.parquet")
    assert pq.read_table(features)["key.order_id"].to_pylist() == pq.read_table(done.file)["order_id"].to_pylist()


def test_the_same_version_again_changes_nothing(world: Nights) -> None:
    first = world.score(31)
    head, written = world.ledger().head("nights"), Path(first.champion.file).stat()  # reading changes its access time
    again = world.score(31)
    assert (again.champion.new, again.champion.sha256) == (False, first.champion.sha256)
    now = Path(first.champion.file).stat()
    assert (now.st_ino, now.st_mtime_ns, now.st_size) == (written.st_ino, written.st_mtime_ns, written.st_size)
    assert world.ledger().head("nights") == head


def test_a_file_without_a_record_is_taken_over(world: Nights, tmp_path: Path) -> None:
    """As after a kill between the two."""
    same = Nights(world.story.copy(tmp_path / "same"))
    first = world.score(31).champion
    shutil.copytree(world.settings.predictions, same.settings.predictions)
    again = same.score(31).champion
    assert again.sha256 == first.sha256
    assert same.kept("scores", 31)["1"]["sha256"] == first.sha256


def test_a_file_of_another_run_is_not_taken_over(world: Nights) -> None:
    target = Path(world.settings.predictions) / "tiny" / f"date={world.day(31)}" / "version-1.parquet"
    target.parent.mkdir(parents=True)
    pq.write_table(pa.table({"run": ["2024-01-01-20260101T000000Z-aaaaaa"], "score": [0.5]}), target)
    with pytest.raises(IntegrityError, match="holds predictions of"):
        world.score(31)


def test_a_correction_after_scoring_leaves_the_predictions(world: Nights) -> None:
    first = world.score(31).champion
    tiny = world.story.tiny
    tiny.write(tiny.read("orders", world.day(31)).slice(3), "orders", world.day(31))
    world.ingest(31)
    again = world.score(31).champion
    assert (again.new, again.sha256, again.rows) == (False, first.sha256, first.rows)


def test_other_bytes_under_the_name_are_refused(world: Nights) -> None:
    done = world.score(31).champion
    Path(done.file).write_bytes(b"of somebody else")
    with pytest.raises(IntegrityError, match="holds other bytes already"):
        world.score(31)
    assert Path(done.file).read_bytes() == b"of somebody else"


def test_the_version_before_scores_beside_the_champion(world: Nights) -> None:
    world.retrain(36)
    done = world.score(37, shadow="previous")
    assert [(item.version, item.role) for item in done.versions] == [(2, "champion"), (1, "shadow")]
    shadow = done.versions[1]
    assert shadow.difference is not None
    assert 0 < shadow.difference < 0.5
    assert Path(shadow.file).name == "version-1.parquet"
    assert world.kept("scores", 37)["1"]["difference"] == shadow.difference
    assert not [item.new for item in world.score(37, shadow="previous").versions if item.new]
    assert "(shadow)" in done.render()


def test_the_newest_challenger_scores_beside_the_champion(world: Nights) -> None:
    world.story.tiny.edit("promotion: auto", "promotion: dry_run")
    world.retrain(36)
    done = world.score(37, shadow="challenger")
    assert [(item.version, item.role) for item in done.versions] == [(1, "champion"), (2, "shadow")]


def test_a_shadow_that_cannot_score_does_not_stop_the_champion(world: Nights, monkeypatch: pytest.MonkeyPatch) -> None:
    world.retrain(36)

    def broken(*_: object) -> None:
        raise IntegrityError("its run is gone", where="runs/x")

    monkeypatch.setattr("pipelines.night.score.shadow_of", broken)
    done = world.score(37, shadow="previous")
    assert [item.role for item in done.versions] == ["champion"]
    assert done.notes == ("no shadow: runs/x: its run is gone",)
    assert list(world.kept("scores", 37)) == ["2"]


def test_a_day_that_is_not_in_the_ledger_is_named(world: Nights) -> None:
    with pytest.raises(DataError, match="are not in the ledger"):
        world.score(45)


def test_without_a_champion_there_is_nothing_to_do(tmp_path_factory: pytest.TempPathFactory, tmp_path: Path) -> None:
    story = stories.ingested(tmp_path_factory).copy(tmp_path / "copy")
    with pytest.raises(NothingToDo, match="no champion yet"):
        score(story.settings, "tiny", story.tiny.day(31), lambda _: None)

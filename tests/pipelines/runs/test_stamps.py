"""What the champion said in its nights is what a retraining compares with: pinned when it begins, there for ever."""

from __future__ import annotations

import json
import shutil
from pathlib import Path
from typing import Any

import pyarrow as pa
import pyarrow.parquet as pq
import pytest
import stories
from night_worlds import Nights

from pipelines.config.params import RunParams
from pipelines.errors import IntegrityError
from pipelines.ledger import champion, runs, stamps
from pipelines.runs.stamps import pinned
from pipelines.storage.files import sha256_file

pytestmark = pytest.mark.slow

AS_OF, FIRST, LAST = 36, 31, 35  # the test days of a run as of day 36


@pytest.fixture(scope="module")
def scored(tmp_path_factory: pytest.TempPathFactory) -> Nights:
    """A champion that has scored the test days of the next run but for the last; look, do not touch."""
    there = Nights(stories.crowned(tmp_path_factory).copy(tmp_path_factory.mktemp("stamped")))
    for number in range(FIRST, LAST):
        there.score(number)
    return there


@pytest.fixture
def world(scored: Nights, tmp_path: Path) -> Nights:
    """A copy of it, predictions and all."""
    there = Nights(scored.story.copy(tmp_path / "copy"))
    shutil.copytree(scored.settings.predictions, there.settings.predictions)
    return there


def note(world: Nights, **standing: Any) -> dict[str, Any] | None:
    """What a run as of day 36 would be given; the champion with other fields where `standing` says so."""
    ledger, params = world.ledger(), RunParams.of("tiny", world.story.tiny.model, world.day(AS_OF))
    now = champion.current(ledger)
    assert now is not None
    content = pinned(world.settings, ledger, params, ledger.head("data") or "", now.model_copy(update=standing))
    found: dict[str, Any] | None = json.loads(content)["stamped"]
    return found


def correct(world: Nights, number: int, column: str, value: pa.Scalar, rows: int | None = None) -> None:
    """Deliver a day again with another value in a column of its first `rows`, or of all."""
    tiny, day = world.story.tiny, world.day(number)
    orders = tiny.read("orders", day)
    found = orders[column].to_pylist()
    rows = len(found) if rows is None else rows
    values = pa.array([value.as_py()] * rows + found[rows:], value.type)
    tiny.write(orders.set_column(orders.column_names.index(column), column, values), "orders", day)
    world.ingest(number)


def test_the_scores_of_the_nights_are_kept_by_their_bytes(world: Nights) -> None:
    said = note(world)
    assert said is not None
    assert list(said["days"]) == [f"{world.day(number)}" for number in range(FIRST, LAST)]
    entry = world.kept("scores", FIRST)["1"]
    told = said["days"][f"{world.day(FIRST)}"]
    assert (told["file"], told["sha256"], told["rows"]) == (entry["file"], entry["sha256"], entry["rows"])
    place = Path(world.settings.dvc_remote) / "files/md5" / said["md5"][:2] / said["md5"][2:]
    assert sha256_file(place) == said["sha256"]
    table = pq.read_table(place)
    assert table.column_names == ["row_id", "score"]
    night = Path(world.settings.predictions) / f"tiny/date={world.day(FIRST)}/version-1.parquet"
    assert table["score"].to_pylist()[: entry["rows"]] == pq.read_table(night)["score"].to_pylist()
    assert note(world) == said


def test_labels_that_came_late_change_no_row_and_other_corrections_do(world: Nights) -> None:
    then = note(world)
    correct(world, 31, "delay", pa.scalar(60, pa.int32()))
    correct(world, 32, "distance", pa.scalar(2.5))
    now = note(world)
    assert then is not None
    assert now is not None
    late, other, same = (f"{world.day(number)}" for number in (31, 32, 33))
    assert now["days"][late]["events_sha256"] == sha256_file(world.story.tiny.path("orders", world.day(31)))
    assert then["days"][late]["events_sha256"] != now["days"][late]["events_sha256"]
    assert now["days"][other] == then["days"][other]
    assert now["days"][same] == then["days"][same]


def test_files_of_other_bytes_are_refused_and_those_gone_are_left_out(world: Nights) -> None:
    folder = Path(world.settings.predictions) / "tiny"
    forged = folder / f"date={world.day(32)}/version-1.parquet"
    table = pq.read_table(forged)
    pq.write_table(table.set_column(table.column_names.index("score"), "score", pa.nulls(len(table))), forged)
    with pytest.raises(IntegrityError, match=r"version-1\.parquet.*holds other bytes already.*the ledger says"):
        note(world)
    forged.unlink()
    said = note(world)
    assert said is not None
    assert f"{world.day(32)}" not in said["days"]
    assert len(said["days"]) == LAST - FIRST - 1


def test_what_another_version_or_run_said_is_nothing(world: Nights) -> None:
    assert note(world, version=2) is None
    assert note(world, run="2024-01-31-20260101T000000Z-abcdef") is None
    seen = champion.current(world.ledger())
    assert seen is not None
    late = seen.window.model_copy(update={"test": (seen.window.test[0], world.day(LAST))})
    assert note(world, window=late) is None, "the champion has learnt these days"


def test_a_retraining_is_judged_by_what_was_said_and_comes_out_again(world: Nights, tmp_path: Path) -> None:
    done = stories.evergreen(world.settings, "night", "tiny", "--date", str(world.day(LAST)), "--backfill")
    assert done.returncode == 0, done.stderr
    correct(world, 32, "distance", pa.scalar(2.5), rows=1)
    report = world.retrain(AS_OF)
    ledger = world.ledger()
    (run,) = (tag for tag in runs.finished(ledger) if tag == report["run"])
    gates = json.loads(ledger.read(f"runs/{run}", "out/evaluate/gates.json") or b"")["gates"]
    (evidence,) = (gate["evidence"] for gate in gates if gate["name"] == "champion")
    assert (evidence["stamped_days"], evidence["rescored_days"]) == (LAST - FIRST, 1)
    assert 0 <= evidence["stamped_apart"] < 1
    assert json.loads(ledger.read(f"runs/{run}", stamps.NOTE) or b"")["stamped"]["version"] == 1
    shutil.rmtree(world.settings.predictions)
    shutil.rmtree(world.settings.cache)
    again = ("reproduce", "tiny", str(report["version"]), "--in", str(tmp_path / "again"), "--json")
    done = stories.evergreen(world.settings, *again)
    assert done.returncode == 0, done.stdout + done.stderr
    assert stories.last_json(done)["identical"]

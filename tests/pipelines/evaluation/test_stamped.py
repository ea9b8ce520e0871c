"""What the champion said in those nights, beside the rows of a run: which days count, and what is refused."""

from __future__ import annotations

from dataclasses import replace
from datetime import timedelta
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import feature_tables
import numpy as np
import pyarrow as pa
import pytest
from feature_tables import EPOCH, START

from pipelines.errors import IntegrityError
from pipelines.evaluation import comparison, stamped
from pipelines.evaluation.champion import Champion
from pipelines.evaluation.comparison import CHALLENGER, CHAMPION
from pipelines.evaluation.scoring import Scored
from pipelines.storage.files import sha256_file, write_json
from pipelines.storage.parquet import write_table

ROWS, DAYS = 4, 3
EVENTS = [f"{number}" * 64 for number in range(DAYS)]
LONG_AGO = [(START - EPOCH).days + number for number in range(DAYS)]


def champion(**signature: Any) -> Champion:
    made: Any = None  # its booster and tables are not looked at
    said = feature_tables.signature(**signature)
    seen = START - timedelta(days=1)
    return Champion(3, "one", made, said, Path("features.py"), seen, {}, made, seen)


def row_ids(first: int = 0, last: int = DAYS) -> np.ndarray:
    return np.concatenate([day * 10**8 + np.arange(ROWS) for day in LONG_AGO[first:last]])


def rows(row_id: np.ndarray) -> Scored:
    """Rows on which the champion, asked again, says 0.5."""
    day, half = (row_id // 10**8).astype(np.int32), np.full(len(row_id), 0.5, np.float32)
    return Scored(row_id, day, np.zeros(len(row_id)), {CHALLENGER: half, CHAMPION: half}, {})


def write(root: Path, scores: dict[str, np.ndarray] | None = None, **changes: Any) -> None:
    """A run whose champion has stamped 0.1 on the first day, 0.2 on the second, 0.3 on the third."""
    said = scores or {"score": np.repeat(np.array([0.1, 0.2, 0.3], np.float32), ROWS)}
    write_table(root / "champion/stamped.parquet", pa.table({"row_id": row_ids(), **said}))
    days = {
        f"{START + timedelta(days=number)}": {
            "file": f"predictions/{number}", "sha256": "a" * 64, "rows": ROWS, "features_sha256": "f" * 64,
            "events_sha256": EVENTS[number],
        }
        for number in range(DAYS)
    }  # fmt: skip
    sha256 = sha256_file(root / "champion/stamped.parquet")
    note = {"version": 3, "run": "one", "md5": "b" * 32, "sha256": sha256, "days": days}
    write_json(root / "champion/stamped.json", {"stamped": note | changes})
    accept(root, *EVENTS)


def accept(root: Path, *sha256: str, rows: int = ROWS) -> None:
    """The run's partitions: one of the events a day, and one of another table."""
    listed = [
        {"table": "orders", "partition": f"{START + timedelta(days=number)}", "sha256": text, "rows": rows}
        for number, text in enumerate(sha256)
    ]
    static = {"table": "shops", "partition": "static", "sha256": EVENTS[0], "rows": ROWS}
    write_json(root / "out/validate/accepted.json", {"partitions": [*listed, static]})


def scored(root: Path, given: Scored, by: Champion) -> tuple[np.ndarray, stamped.Sources]:
    """The champion's scores of `given`, and where they come from."""
    label = SimpleNamespace(classes=by.signature.classes)
    params: Any = SimpleNamespace(events="orders", label=label)
    found, sources = comparison.with_champion(given, by, root, params, shares=True)
    return found.scores[CHAMPION], sources


def test_the_days_of_the_nights_count_as_they_were_said(tmp_path: Path) -> None:
    write(tmp_path)
    given = rows(row_ids())
    keep = np.ones(len(given), bool)
    keep[5] = False  # its label never came
    found, sources = scored(tmp_path, given.where(keep), champion())
    np.testing.assert_array_equal(found, np.repeat(np.array([0.1, 0.2, 0.3], np.float32), ROWS)[keep])
    assert (sources.stamped_days, sources.rescored_days) == (3, 0)
    assert sources.apart == pytest.approx(0.4)


def test_days_of_other_rows_are_asked_again(tmp_path: Path) -> None:
    write(tmp_path)
    accept(tmp_path, EVENTS[0], "c" * 64, EVENTS[2])
    found, sources = scored(tmp_path, rows(row_ids()), champion())
    np.testing.assert_array_equal(found, np.repeat(np.array([0.1, 0.5, 0.3], np.float32), ROWS))
    assert (sources.stamped_days, sources.rescored_days) == (2, 1)


def test_a_day_that_lacks_a_row_is_asked_again_as_a_whole(tmp_path: Path) -> None:
    write(tmp_path)
    more = np.sort(np.append(row_ids(), LONG_AGO[1] * 10**8 + ROWS))
    found, sources = scored(tmp_path, rows(more), champion())
    np.testing.assert_array_equal(found, np.repeat(np.array([0.1, 0.5, 0.3], np.float32), [ROWS, ROWS + 1, ROWS]))
    assert (sources.stamped_days, sources.rescored_days) == (2, 1)


@pytest.mark.parametrize("changes", [{"version": 2}, {"run": "other"}, {"days": {}}])
def test_what_another_version_said_is_ignored(tmp_path: Path, changes: dict[str, Any]) -> None:
    write(tmp_path, **changes)
    found, sources = scored(tmp_path, rows(row_ids()), champion())
    assert set(found) == {0.5}
    assert (sources.stamped_days, sources.rescored_days, sources.apart) == (0, DAYS, None)


def test_other_features_and_a_file_with_rows_erased_are_ignored(tmp_path: Path) -> None:
    write(tmp_path)
    assert scored(tmp_path, rows(row_ids()), champion(features_sha256="e" * 64))[1].stamped_days == 0
    accept(tmp_path, *EVENTS, rows=ROWS + 1)
    assert scored(tmp_path, rows(row_ids()), champion())[1].stamped_days == 0


def test_a_run_without_any_is_as_before(tmp_path: Path) -> None:
    for text in (None, {"stamped": None}):
        if text:
            write_json(tmp_path / "champion/stamped.json", text)
        assert scored(tmp_path, rows(row_ids()), champion())[1] == stamped.Sources(0, DAYS, None)


def test_classes_stand_in_the_champions_order(tmp_path: Path) -> None:
    high, low = np.linspace(0.6, 0.8, ROWS * DAYS).astype(np.float32), np.full(ROWS * DAYS, 0.1, np.float32)
    write(tmp_path, {"score_low": low, "score_high": high})
    by = champion(task="multiclass", classes=("high", "low"))
    mask, found = stamped.load(tmp_path, by, "orders").of(rows(row_ids(1, 2)))
    assert mask.all()
    np.testing.assert_array_equal(found, np.column_stack([high, low])[ROWS : 2 * ROWS])


def test_several_classes_without_any_are_as_before(tmp_path: Path) -> None:
    given = rows(row_ids())
    again = np.full((len(given), 2), 0.5, np.float32)
    found, sources = scored(
        tmp_path, replace(given, scores={CHAMPION: again}), champion(task="multiclass", classes=("a", "b"))
    )
    np.testing.assert_array_equal(found, again)
    assert sources.rescored_days == DAYS


@pytest.mark.parametrize(
    ("spoil", "said"),
    [
        (lambda folder: (folder / "stamped.parquet").unlink(), r"stamped\.parquet.*is missing"),
        (lambda folder: (folder / "stamped.parquet").write_bytes(b"PAR1"), r"its sha256 is .*stamped\.json says"),
        (lambda folder: write_json(folder / "stamped.json", {"stamped": {"version": 3}}), "not what opening a run"),
    ],
)
def test_what_is_not_as_named_is_refused(tmp_path: Path, spoil: Any, said: str) -> None:
    write(tmp_path)
    spoil(tmp_path / "champion")
    with pytest.raises(IntegrityError, match=said):
        scored(tmp_path, rows(row_ids()), champion())

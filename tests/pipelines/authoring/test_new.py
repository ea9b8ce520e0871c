"""`evergreen new`: three kinds of labels become model folders that pass, run and train as they stand."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import timedelta
from pathlib import Path

import numpy as np
import pyarrow.parquet as pq
import pytest
from drafting import CASES, DAYS, FIRST, LAST, ROWS, Case, drafted, feature_table, partitions, unaccepted
from stories import fresh_settings

from pipelines.authoring import plan as planning
from pipelines.authoring.new import Report
from pipelines.config.model import Model
from pipelines.config.settings import Settings

# Ibis 12 calls what DuckDB 2.0 has renamed.
pytestmark = pytest.mark.filterwarnings("ignore:fetch_arrow_table:DeprecationWarning")


@dataclass(frozen=True)
class Drafted:
    settings: Settings
    case: Case
    report: Report
    model: Model


@pytest.fixture(scope="module", params=CASES, ids=lambda case: case.name)
def draft(request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory) -> Drafted:
    """One draft of each kind for all that look at it; the last of them trains it."""
    case: Case = request.param
    folder = tmp_path_factory.mktemp(case.name)
    settings = fresh_settings(folder)
    data = case.make(np.random.default_rng(7))
    path = folder / "in" / f"{case.name}.parquet"
    return Drafted(settings, case, *drafted(settings, data, path, name=case.name, label=case.label, time=case.time))


def test_every_day_of_the_file_is_a_partition_that_passes(draft: Drafted) -> None:
    from pipelines.gates.families import check

    found = partitions(draft.settings, draft.case.name)
    assert [day for day, _ in found] == [FIRST + timedelta(days=number) for number in range(DAYS)]
    assert sum(pq.read_metadata(path).num_rows for _, path in found) == DAYS * ROWS
    assert draft.model.task is draft.case.task
    check(draft.model.task, draft.model.gates)
    assert unaccepted(draft.settings, draft.case.name) == []


def test_the_features_run_and_show_nothing_of_the_label(draft: Drafted, tmp_path: Path) -> None:
    table = feature_table(draft.settings, draft.case.name, tmp_path / "scratch")
    assert table.num_rows > 5000
    names = {name for name in table.column_names if name not in {"row_id", "event_date", "label"}}
    assert {"shop", "product", "distance", "price", "member", "days_since_joined", "day_of_week"} <= names
    assert any(name.endswith("_shop_14d") for name in names)
    assert not names & {"outcome", "minutes", "Umsatz €", "remark", "order_id"}
    assert all(table[name].null_count < table.num_rows / 4 for name in names)
    assert table["label"].null_count < table.num_rows * 0.05


def test_the_report_says_what_was_told_and_what_to_type_next(draft: Drafted) -> None:
    text = draft.report.render()
    assert f"{draft.case.task.value}: " in text
    assert "9,000 on 60 days, 2024-01-01 to 2024-02-29" in text
    assert text.endswith(
        f"next\n  evergreen ingest {draft.case.name} --from 2024-01-01 --to 2024-02-29\n"
        f"  evergreen check {draft.case.name}\n  evergreen run {draft.case.name} --as-of 2024-02-29\n"
    )


def test_the_key_tells_all_rows_apart(draft: Drafted) -> None:
    key = list(draft.model.tables[draft.case.name].key)
    rows = pq.read_table(Path(draft.settings.lake) / draft.case.name).select(key)
    assert rows.group_by(key).aggregate([]).num_rows == DAYS * ROWS
    assert not {"price", "distance", "joined"} & set(key)


def test_what_each_task_says_of_its_label(draft: Drafted) -> None:
    label, banned = draft.model.label, draft.model.tables[draft.case.name].after_event
    expected = {
        "orders": ("outcome = 'late'", (), ("outcome", "minutes")),
        "ratings": ("label", ("fair", "good", "it's bad"), ("label",)),
        "sales": ('"Umsatz €"', (), ("Umsatz €",)),
    }
    assert (label.expression, label.classes, banned) == expected[draft.case.name]


def test_what_was_changed_or_doubted_is_said(draft: Drafted) -> None:
    text = draft.report.render()
    expected = {
        "orders": ["1 where outcome is 'late', the rarer of the two", "minutes alone tells the label (AUC 1.000)"],
        "ratings": ["one of 3 classes of label"],
        "sales": ["sales: a model of Umsatz €", "day of sale: text is stored as dates"],
    }
    assert all(sentence in text for sentence in expected[draft.case.name])
    assert "not used: remark: text with" in text


def test_many_rows_get_busyness_features_and_deeper_trees(
    settings: Settings, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(planning, "FEW_ROWS", 1000)
    for case in CASES:
        data = case.make(np.random.default_rng(7))
        path = tmp_path / f"{case.name}.parquet"
        _, model = drafted(settings, data, path, name=case.name, label=case.label, time=case.time)
        assert model.training.booster.max_depth == 6
        names = feature_table(settings, case.name, tmp_path / "scratch").column_names
        assert {"count_all_7d", "count_shop_14d"} <= set(names)


def test_the_generated_code_is_formatted_and_clean(draft: Drafted) -> None:
    import subprocess
    import sys

    file = draft.settings.models / draft.case.name / "features.py"
    for command in (["format", "--check", "--line-length=120"], ["check", "--select=E,F,I,B", "--line-length=120"]):
        done = subprocess.run(
            [sys.executable, "-m", "ruff", *command, "--isolated", file], check=False, capture_output=True, text=True
        )
        assert done.returncode == 0, done.stdout + done.stderr


@pytest.mark.slow
@pytest.mark.filterwarnings("default")  # MLflow 3.17 warns of its own types and of SQLAlchemy 2.1
def test_the_draft_is_sound_and_trains_to_a_champion_that_beats_chance(draft: Drafted) -> None:
    from pipelines.authoring.check import check
    from pipelines.ledger import champion
    from pipelines.ledger.git import Ledger
    from pipelines.night.ingest import ingest
    from pipelines.runs.chain import retrain
    from pipelines.runs.request import Request

    name = draft.case.name
    taken = ingest(draft.settings, name, FIRST, LAST, lambda _: None)
    assert {outcome.fate.value for outcome in taken.outcomes} == {"accepted"}
    sound = check(draft.settings, name, lambda _: None)
    assert sound.exit_code == 0, sound.render()
    report = retrain(draft.settings, name, Request(as_of=LAST), lambda _: None)
    assert report.version == 1, report.render()
    current = champion.current(Ledger.open(draft.settings, name))
    assert current is not None
    better = {"orders": ("auc", 0.75), "ratings": ("auc", 0.7), "sales": ("r2", 0.4)}
    metric, bound = better[name]
    assert current.metrics[metric] > bound

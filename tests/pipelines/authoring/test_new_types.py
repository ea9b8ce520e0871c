"""Types, names and labels as exporters leave them, and what a draft says of its own days."""

from __future__ import annotations

from datetime import date, timedelta
from decimal import Decimal
from pathlib import Path

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from drafting import columns, drafted, feature_table, partitions, unaccepted

from pipelines.authoring import expectations_text
from pipelines.authoring.check import Level, check
from pipelines.authoring.check import Report as Checked
from pipelines.authoring.new import Report
from pipelines.config.model import Model, Task
from pipelines.config.settings import Settings
from pipelines.errors import ConfigError
from pipelines.night.ingest import ingest

pytestmark = pytest.mark.filterwarnings("ignore:fetch_arrow_table:DeprecationWarning")

DAYS, ROWS = 40, 30
N = DAYS * ROWS


def table(**more: object) -> pa.Table:
    """A small file with a label `y`; `more` replaces or adds columns."""
    random = np.random.default_rng(5)
    return pa.table(columns(random, DAYS, ROWS) | {"y": pa.array(random.random(N) < 0.4)} | more)


def sound(settings: Settings, tmp_path: Path, data: pa.Table, **options: object) -> tuple[Report, Model, pa.Table]:
    """The draft of `data`, whose days pass, and its features."""
    report, model = drafted(settings, data, tmp_path / "data.parquet", **options)  # type: ignore[arg-type]
    assert unaccepted(settings, "draft", warnings=False) == []
    return report, model, feature_table(settings, "draft", tmp_path / "scratch", report.draft.events.last)


def test_whole_decimals_are_whole_numbers(settings: Settings, tmp_path: Path) -> None:
    wide = pa.decimal128(38, 0)
    data = table(y=pa.array([Decimal(n % 3 == 0) for n in range(N)], wide), n=pa.array(map(Decimal, range(N)), wide))
    data = data.append_column("order_id", pa.array([Decimal(7 * n) for n in range(N)], wide))
    report, model, _ = sound(settings, tmp_path, data)
    assert model.task is Task.BINARY
    assert report.draft.key == ("order_id",)
    assert report.draft.events.data.schema.field("y").type == pa.int64()


def test_a_chance_number_is_no_key_where_the_time_is_one(settings: Settings, tmp_path: Path) -> None:
    amount = np.random.default_rng(1).permutation(10**6)[:N]
    assert sound(settings, tmp_path, table(amount=amount))[0].draft.key == ("at",)


def test_prose_is_no_key(settings: Settings, tmp_path: Path) -> None:
    prose = [f"{'lorem ipsum ' * 20}{n}" for n in range(N)]
    assert sound(settings, tmp_path, table(prose=prose))[0].draft.key == ("at",)


def test_ids_that_pandas_made_floats_are_categories(settings: Settings, tmp_path: Path) -> None:
    ids = pa.array([None if n % 9 == 0 else float(1000 + n % 20) for n in range(N)])
    report, _, features = sound(settings, tmp_path, table(customer_id=ids))
    assert "customer_id: floating point numbers are kept as the whole numbers they are" in report.render()
    assert set(features["customer_id"].to_pylist()) <= {None, *(str(number) for number in range(1000, 1020))}


def test_the_index_of_pandas_is_left_out(settings: Settings, tmp_path: Path) -> None:
    report, _, _ = sound(settings, tmp_path, table(__index_level_0__=range(N)))
    assert "__index_level_0__ is the index that pandas wrote and is not taken over" in report.render()
    assert report.draft.key == ("at",)


@pytest.mark.parametrize("name", ["filename", "File_Row_Number", "Event_Date", "row_id", "known_at", "_day", "Label"])
def test_names_of_the_framework_are_not_taken_over(settings: Settings, tmp_path: Path, name: str) -> None:
    report, _, features = sound(settings, tmp_path, table(**{name: np.random.default_rng(2).random(N)}))
    assert f"column {name!r} is not taken over" in report.render()
    assert name not in report.draft.events.data.column_names
    assert "distance" in features.column_names


@pytest.mark.parametrize("name", ["a<b", "x[1]", "[", "Größe", "价格", " lead", "100%", 'a"b', "a,b", "null", "12:30"])
@pytest.mark.parametrize("kind", ["number", "text"])
def test_names_are_kept(settings: Settings, tmp_path: Path, name: str, kind: str) -> None:
    random = np.random.default_rng(2)
    values = random.random(N) if kind == "number" else random.choice(["u", "v"], N).tolist()
    report, _, features = sound(settings, tmp_path, table(**{name: values}))
    assert name in report.draft.events.data.column_names
    odd = {"a<b": "a_b", "x[1]": "x_1_", "[": "_"}
    assert odd.get(name, name) in features.column_names


def test_numbers_beyond_32_bits_are_no_feature(settings: Settings, tmp_path: Path) -> None:
    report, _, features = sound(settings, tmp_path, table(size=[1.7e308 if n % 50 == 0 else 1.0 for n in range(N)]))
    assert "size: numbers that are too large for a 32-bit float" in report.render()
    assert "size" not in features.column_names


@pytest.mark.parametrize(("size", "fits"), [(2e10, True), (1e16, False)])
def test_large_labels(settings: Settings, tmp_path: Path, size: float, fits: bool) -> None:
    data = table(y=np.random.default_rng(1).normal(0, size, N))
    if fits:
        assert sound(settings, tmp_path, data)[1].gates.champion.margin == pytest.approx(size / 20, rel=0.1)
    else:
        with pytest.raises(ConfigError, match="larger than 1e\\+15"):
            drafted(settings, data, tmp_path / "data.parquet")


def test_few_numbers_of_which_some_are_rare_are_a_count_and_are_said_to_be(settings: Settings, tmp_path: Path) -> None:
    data = table(y=[9 if n % 300 == 0 else n % 3 for n in range(N)])
    report, model = drafted(settings, data, tmp_path / "a.parquet")
    assert model.task is Task.REGRESSION
    assert "it is taken for a count or a measure" in report.render()
    assert "taken for names of classes" not in report.render()


def test_a_count_is_a_number_and_the_author_may_say_otherwise(settings: Settings, tmp_path: Path) -> None:
    data = table(y=np.random.default_rng(1).poisson(3, N))
    report, model = drafted(settings, data, tmp_path / "a.parquet", name="first")
    assert model.task is Task.REGRESSION
    assert "if its whole numbers are names of classes, say --task multiclass" in report.render()
    report, model = drafted(settings, data, tmp_path / "a.parquet", name="second", task=Task.MULTICLASS)
    assert model.task is Task.MULTICLASS
    assert "--task" not in report.render()


@pytest.mark.parametrize(
    ("values", "task", "said"),
    [([1, 2, 3], "binary", "--task binary needs two values"), (["a", "b"], "regression", "text is no number"),
     ([0.5, 1.5, 2.0], "multiclass", "numbers with a fraction are no classes")],
)  # fmt: skip
def test_a_task_that_the_label_cannot_be(
    settings: Settings, tmp_path: Path, values: list[object], task: str, said: str
) -> None:
    data = table(y=[values[n % len(values)] for n in range(N)])
    with pytest.raises(ConfigError, match=said):
        drafted(settings, data, tmp_path / "data.parquet", task=Task(task))


def test_a_day_of_one_row_has_windows_of_many(settings: Settings, tmp_path: Path) -> None:
    days = [date(2020, 1, 1) + timedelta(days=n) for n in range(900)]
    random = np.random.default_rng(3)
    data = pa.table({"at": pa.array(days), "x": random.random(900), "y": random.random(900)})
    window = sound(settings, tmp_path, data)[1].window
    assert (window.train_days, window.test_days) == (771, 100)


def test_a_rule_that_a_day_breaks_is_told_and_no_longer_enforced(
    settings: Settings, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(expectations_text, "_range", lambda low, high, **_: (low, (low + high) / 100))
    report, _, _ = sound(settings, tmp_path, table())
    assert "ExpectColumnValuesToBeBetween of price does not hold on every day" in report.render()


def narrowed(settings: Settings, count: int) -> None:
    """The first `count` days of the lake come with texts for numbers."""
    for _, path in partitions(settings, "draft")[:count]:
        data = pq.read_table(path)
        texts = data["distance"].cast(pa.string())
        pq.write_table(data.set_column(data.column_names.index("distance"), "distance", texts), path)


def days_of(report: Checked) -> list[tuple[Level, str]]:
    return [(item.level, item.sentence) for item in report.findings if item.check == "days"]


@pytest.mark.parametrize(("count", "level"), [(2, Level.WARNING), (40, Level.ERROR)])
def test_check_says_which_days_would_be_quarantined(
    settings: Settings, tmp_path: Path, count: int, level: Level
) -> None:
    drafted(settings, table(), tmp_path / "data.parquet")
    narrowed(settings, count)
    found = days_of(check(settings, "draft", lambda _: None))
    assert [item[0] for item in found] == [level]
    assert f"{count} of 40 partitions would be quarantined, from 2024-01-01 to 2024-0" in found[0][1]
    assert "distance: type string instead of" in found[0][1]


def test_check_tells_what_the_ledger_holds_in_quarantine(settings: Settings, tmp_path: Path) -> None:
    report, _ = drafted(settings, table(), tmp_path / "data.parquet")
    narrowed(settings, 30)
    narrowed_days = partitions(settings, "draft")[25:30]
    ingest(settings, "draft", report.draft.events.first, report.draft.events.last, lambda _: None)
    found = days_of(check(settings, "draft", lambda _: None))
    assert found[-1][0] is Level.WARNING
    assert f"the newest of them draft {narrowed_days[-1][0]}" in found[-1][1]


def test_check_of_a_damaged_file_names_it(settings: Settings, tmp_path: Path) -> None:
    drafted(settings, table(), tmp_path / "data.parquet")
    _, path = partitions(settings, "draft")[3]
    path.write_bytes(path.read_bytes()[:-50])
    found = days_of(check(settings, "draft", lambda _: None))
    assert "1 of 40 partitions would be quarantined, on 2024-01-04" in found[0][1]

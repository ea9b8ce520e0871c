"""Drafts of awkward but legal data: each loads, passes on every day, and its features run."""

from __future__ import annotations

from datetime import date, timedelta
from pathlib import Path

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc
import pyarrow.parquet as pq
import pytest
from drafting import columns, drafted, feature_table, unaccepted

from pipelines.authoring.new import Report
from pipelines.config.model import Model
from pipelines.config.settings import Settings

# Ibis 12 calls what DuckDB 2.0 has renamed.
pytestmark = pytest.mark.filterwarnings("ignore:fetch_arrow_table:DeprecationWarning")

N_DAYS, N_ROWS = 40, 60
N = N_DAYS * N_ROWS


class Desk:
    """Drafts a file and holds it to what every draft must stand."""

    def __init__(self, settings: Settings, folder: Path) -> None:
        self.settings, self.folder = settings, folder
        self.random = np.random.default_rng(11)
        self.base = columns(self.random, N_DAYS, N_ROWS) | {"y": pa.array(self.random.random(N) < 0.4)}

    def __call__(self, data: pa.Table | None = None, **more: object) -> tuple[Report, Model]:
        options = {key: more.pop(key) for key in ("label", "time", "name") if key in more}
        data = pa.table(self.base | more) if data is None else data
        report, model = drafted(self.settings, data, self.folder / "data.parquet", **options)
        name = options.get("name", "draft")
        # That a day's labels are all missing or all alike is told of some data here, and rightly.
        assert [said for said in unaccepted(self.settings, name) if not said.startswith("label: ")] == []
        self.features = feature_table(self.settings, name, self.folder / "scratch", report.draft.events.last)
        return report, model

    @property
    def code(self) -> str:
        return (self.settings.models / "draft" / "features.py").read_text()


@pytest.fixture
def desk(settings: Settings, tmp_path: Path) -> Desk:
    return Desk(settings, tmp_path)


@pytest.mark.parametrize(
    ("values", "task", "expression", "said"),
    [
        ([0, 1], "binary", "y", "1 where y is 1"),
        ([1, 2], "binary", "y = 2", "the larger of the two"),
        ([0.0, 1.0], "binary", "y", "1 where y is 1.0"),
        (["no", "yes", "yes"], "binary", "y = 'yes'", "1 where y is 'yes'"),
        (["a'b", "z"], "binary", None, "of the two"),
        ([1, 2, 3, None], "multiclass", "CAST(y AS BIGINT)", "one of 3 classes"),
        ([1.0, 2.0, 5.0], "multiclass", "CAST(y AS BIGINT)", "one of 3 classes"),
        (["on", "off", "null"], "multiclass", "y", "one of 3 classes"),
        (list(range(50)), "regression", "y", "the number in y"),
        ([0.5, 1.25, 3.5, 7.75], "regression", "y", "the number in y"),
    ],
)
def test_the_task_is_told_from_the_label(
    desk: Desk, values: list[object], task: str, expression: str | None, said: str
) -> None:
    picks = desk.random.integers(0, len(values), N)
    report, model = desk(y=pa.array([values[pick] for pick in picks]))
    assert model.task.value == task
    assert expression is None or model.label.expression == expression
    assert said in report.render()
    labels = desk.features["label"].drop_null().unique().to_pylist()
    assert len(labels) == (len(set(values) - {None}) if task != "regression" else len(set(values)))


def test_a_label_in_decimals_is_a_number(desk: Desk) -> None:
    values = pa.array(desk.random.random(N).round(2)).cast(pa.decimal128(10, 2))
    assert desk(y=values)[1].task.value == "regression"


@pytest.mark.parametrize("name", ["label", "select", "event date", "Größe", "_y", "Label", "row_id", "2nd"])
def test_a_label_by_any_name(desk: Desk, name: str) -> None:
    data = pa.table({name if key == "y" else key: value for key, value in desk.base.items()})
    report, model = desk(data, label=name)
    assert model.tables["draft"].after_event == (report.draft.events.label,)
    assert set(desk.features["label"].unique().to_pylist()) == {0.0, 1.0}


@pytest.mark.parametrize("name", ["event_date", "known_at", "time of day", "end"])
def test_an_event_time_by_any_name(desk: Desk, name: str) -> None:
    data = pa.table({name if key == "at" else key: value for key, value in desk.base.items()})
    _, model = desk(data, time=name)
    own = {"event_date": "source_event_date", "known_at": "source_known_at"}
    assert model.tables["draft"].time == own.get(name, name)
    assert "hour" in desk.features.column_names


@pytest.mark.parametrize("kind", [pa.timestamp("s"), pa.timestamp("ns"), pa.timestamp("ms", "Asia/Tokyo"), pa.date64()])
def test_event_times_of_every_type(desk: Desk, kind: pa.DataType) -> None:
    at = pc.cast(desk.base["at"], pa.timestamp("us"))
    at = pc.cast(at, kind, safe=False) if not getattr(kind, "tz", None) else pc.cast(desk.base["at"], kind, safe=False)
    if pa.types.is_date(kind):
        at = pc.cast(pc.cast(desk.base["at"], pa.date32(), safe=False), kind)
    report, _ = desk(at=at)
    assert ("times without a zone are taken as UTC" in report.render()) == (
        kind in (pa.timestamp("s"), pa.timestamp("ns"))
    )
    assert ('"hour"' in desk.code) == (not pa.types.is_date(kind))


def test_times_as_text_with_and_without_offset(desk: Desk) -> None:
    texts = [
        at.strftime("%Y-%m-%dT%H:%M:%S") + ("+02:00" if n % 2 else "")
        for n, at in enumerate(desk.base["at"].to_pylist())
    ]
    report, _ = desk(at=texts)
    assert "text is stored as times" in report.render()
    first = pq.read_table(Path(desk.settings.lake) / "draft" / f"{report.draft.events.first}.parquet")
    assert first.schema.field("at").type == pa.timestamp("us", "UTC")


def test_rows_that_nothing_tells_apart_are_numbered(desk: Desk) -> None:
    data = pa.table({key: desk.base[key] for key in ("at", "shop", "member", "y")})
    day = pc.cast(pc.cast(data["at"], pa.date32(), safe=False), pa.timestamp("us", "UTC"))
    report, model = desk(data.set_column(0, "at", day))
    assert model.tables["draft"].key == ("at", "row_number")
    assert "row_number, the row's number within its day, is added in the lake" in report.render()
    rows = pq.read_table(Path(desk.settings.lake) / "draft" / f"{report.draft.events.last}.parquet")
    assert rows["row_number"].to_pylist() == list(range(rows.num_rows))


def test_keys_of_several_columns(desk: Desk) -> None:
    place = [f"s{n % 5}" for n in range(N)]
    hours = [
        (date(2024, 1, 1) - date(1970, 1, 1)).days * 86400 + n // 5 // 12 * 86400 + n // 5 % 12 * 3600 for n in range(N)
    ]
    data = pa.table(
        {
            "at": pa.array(hours, pa.timestamp("s")).cast(pa.timestamp("us")),
            "station": place,
            "rain": desk.random.random(N),
            "y": desk.base["y"],
        }
    )
    assert desk(data)[1].tables["draft"].key == ("at", "station")


def test_ids_constants_and_late_times_are_no_features(desk: Desk) -> None:
    later = pc.add(desk.base["at"], pa.scalar(3_600_000_000, pa.duration("us")))
    report, _ = desk(
        ticket_id=pa.array(range(N)),
        customer_id=desk.random.integers(0, 1500, N),
        city_code=desk.random.integers(0, 9, N),
        one=[7] * N,
        nothing=pa.nulls(N),
        void=pa.nulls(N, pa.float64()),
        paid_at=later,
        amount=[f"{n}.5" for n in range(N)],
        raw=pa.array([b"x"] * N, pa.binary()),
        row_id=pa.array(range(N)),
    )
    names = set(desk.features.column_names)
    assert not names & {
        "ticket_id",
        "customer_id",
        "one",
        "nothing",
        "void",
        "paid_at",
        "amount",
        "raw",
        "row_id_2",
    }
    assert pa.types.is_string(desk.features.schema.field("city_code").type) or "city_code" in names
    text = report.render()
    for sentence in (
        "customer_id: 1,",
        "one: all its values are one",
        "void: all null",
        "column nothing holds nothing but nulls",
        "numbers written as text",
        "paid_at: in 2,400 rows",
        "column 'row_id' is not taken over",
        "raw: values of type binary",
    ):
        assert sentence in text, sentence


def test_nan_becomes_null_and_is_said(desk: Desk) -> None:
    price = desk.random.random(N)
    price[::10] = np.nan
    report, _ = desk(price=price, y=np.where(np.arange(N) % 7 == 0, np.nan, desk.random.random(N)))
    assert "price: 240 NaN are null in the lake" in report.render()
    assert report.draft.target.missing == pytest.approx(1 / 7, abs=0.01)


def test_working_days_only_and_a_long_gap(desk: Desk) -> None:
    days = [day for day in (date(2024, 1, 1) + timedelta(days=n) for n in range(90)) if day.weekday() < 5]
    days = [day for day in days if not date(2024, 2, 1) <= day < date(2024, 2, 9)][:N_DAYS]
    report, model = desk(at=pa.array([days[n * len(days) // N] for n in range(N)], pa.date32()))
    assert model.validation.max_gap_days >= 10
    assert model.validation.max_missing_share >= 0.4
    assert len(report.draft.events.days) == N_DAYS


def test_days_of_very_different_size(desk: Desk) -> None:
    sizes = np.where(np.arange(30) % 7 == 6, 3, 90)
    day = np.repeat(np.arange(30), sizes)
    data = pa.table(desk.base).slice(0, len(day))
    at = pa.array([date(2024, 1, 1) + timedelta(days=int(n)) for n in day], pa.date32())
    _, model = desk(data.set_column(0, "at", at))
    assert model.validation.row_count_low < 0.03


def test_labels_that_come_late_set_the_maturity(desk: Desk) -> None:
    y = [None if n >= N - 5 * N_ROWS - 200 else n % 3 == 0 for n in range(N)]
    report, model = desk(y=pa.array(y))
    assert 5 <= model.label.maturity_days <= 9
    assert f"label.maturity_days is {model.label.maturity_days}" in report.render()
    assert desk.features["label"].null_count < desk.features.num_rows / 5


def test_a_label_that_is_often_missing_lowers_the_coverage_asked_for(desk: Desk) -> None:
    _, model = desk(y=pa.array(desk.random.random(N) < 0.4, mask=desk.random.random(N) < 0.6))
    assert model.validation.min_label_coverage < 0.3


def test_leaks_of_every_kind_are_banned(desk: Desk) -> None:
    y = np.array(desk.base["y"].to_pylist())
    report, model = desk(
        verdict=np.where(y, "lost", "won").tolist(), refund=np.where(y, desk.random.random(N) + 1, 0.0),
        note_code=pa.array(np.where(y, 3, 4)), hint=y + desk.random.normal(0, 0.4, N),
    )  # fmt: skip
    assert set(model.tables["draft"].after_event) == {"y", "verdict", "refund", "note_code"}
    assert "hint: alone it comes to AUC 0." in report.render()
    assert "# - hint: alone it comes to AUC" in (desk.settings.models / "draft" / "model.yaml").read_text()


def test_a_copy_of_a_number_in_another_unit_is_banned(desk: Desk) -> None:
    y = desk.random.lognormal(3, 1, N)
    _, model = desk(y=y, cents=(y * 100).round())
    assert model.tables["draft"].after_event == ("y", "cents")


def test_columns_that_are_called_like_features_do_not_clash(desk: Desk) -> None:
    desk(hour=desk.random.random(N), day_of_week=desk.random.random(N), month=desk.random.integers(0, 9, N),
         is_weekend=desk.random.random(N), count=desk.random.random(N))  # fmt: skip
    assert {"hour", "event_hour", "day_of_week", "count"} <= set(desk.features.column_names)


def test_nothing_but_a_label_and_a_time_still_makes_a_model(desk: Desk) -> None:
    report, _ = desk(pa.table({key: desk.base[key] for key in ("at", "y")}))
    assert "no column of the file can be used" in report.render()
    assert "rate_all_7d" in desk.features.column_names


def test_a_model_called_labels_has_a_table_of_another_name(settings: Settings, tmp_path: Path) -> None:
    desk = Desk(settings, tmp_path)
    _, model = desk(name="labels")
    assert list(model.tables) == ["events"]


def test_values_that_yaml_reads_otherwise_stay_what_they_are(desk: Desk) -> None:
    odd = ["yes", "no", "1", "1e3", "null", "~", "2024-01-01", "a, b", "it's", '"', "x: y", "#", "*a", "é\t", " "]
    desk(odd=pa.array([odd[n % len(odd)] for n in range(N)]))
    assert "odd" in desk.features.column_names


def test_the_same_file_gives_the_same_draft(desk: Desk, settings: Settings, tmp_path: Path) -> None:
    data = pa.table(desk.base)
    drafted(settings, data, tmp_path / "data.parquet", name="one")
    drafted(settings, data.take(pa.array(np.arange(N))), tmp_path / "data.parquet", name="two")
    for file in ("model.yaml", "features.py", "expectations.yaml"):
        one, two = ((settings.models / name / file).read_text() for name in ("one", "two"))
        assert one.replace("one", "two") == two.replace("one", "two")

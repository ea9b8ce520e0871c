"""The event time of a draft: zones, numbers, years long past, and what stands for a time that is missing."""

from __future__ import annotations

from datetime import UTC, date, datetime, timedelta
from pathlib import Path
from zoneinfo import ZoneInfo

import numpy as np
import pyarrow as pa
import pytest
from drafting import columns, drafted, feature_table, partitions, unaccepted

from pipelines.authoring.new import Report
from pipelines.config.settings import Settings
from pipelines.errors import ConfigError, DataError

pytestmark = pytest.mark.filterwarnings("ignore:fetch_arrow_table:DeprecationWarning")

DAYS, ROWS = 40, 30
N = DAYS * ROWS
HOURLY = [datetime(2024, 3, 1, tzinfo=UTC) + timedelta(hours=24 * number / ROWS) for number in range(N)]


def table(**more: object) -> pa.Table:
    """A small file with a label `y`; `more` replaces or adds columns."""
    random = np.random.default_rng(5)
    data = columns(random, DAYS, ROWS)
    del data["joined"]
    return pa.table(data | {"y": pa.array(random.random(N) < 0.4)} | more)


def sound(settings: Settings, tmp_path: Path, data: pa.Table, **options: str) -> tuple[Report, pa.Table]:
    """The draft of `data`, whose days pass, and its features."""
    report, _ = drafted(settings, data, tmp_path / "data.parquet", **options)
    assert [said for said in unaccepted(settings, "draft") if not said.startswith("label: ")] == []
    return report, feature_table(settings, "draft", tmp_path / "scratch", report.draft.events.last)


@pytest.mark.parametrize("unit", ["s", "ms", "us", "ns"])
@pytest.mark.parametrize("zone", ["America/New_York", "Asia/Kolkata", "Europe/London", "-03:00"])
def test_days_and_hours_are_those_of_the_columns_zone(settings: Settings, tmp_path: Path, zone: str, unit: str) -> None:
    at = pa.array(HOURLY, pa.timestamp("us", "UTC")).cast(pa.timestamp(unit, zone), safe=False)
    report, features = sound(settings, tmp_path, table(at=at, number=range(N)))
    name = {"-03:00": "Etc/GMT+3"}.get(zone, zone)
    model_text = (settings.models / "draft" / "model.yaml").read_text()
    assert f"time_zone: {name}" in model_text
    local = [moment.replace(microsecond=0).astimezone(ZoneInfo(name)) for moment in HOURLY]
    rows = {day: [moment for moment in local if moment.date() == day] for day in {moment.date() for moment in local}}
    assert [day for day, _ in partitions(settings, "draft")] == sorted(rows)
    for row in features.select(["event_date", "day_of_week", "hour", "row_id"]).to_pylist():
        moment = rows[row["event_date"]][row["row_id"] % 10**8]
        assert (row["day_of_week"], row["hour"]) == (moment.weekday(), moment.hour)
    assert report.draft.events.zone == name


def test_an_instant_before_the_event_is_counted_in_days_of_the_zone(settings: Settings, tmp_path: Path) -> None:
    zone = "Asia/Tokyo"
    opened = [moment - timedelta(days=3, hours=number % 40) for number, moment in enumerate(HOURLY)]
    data = table(
        at=pa.array(HOURLY, pa.timestamp("us", zone)), opened=pa.array(opened, pa.timestamp("us", zone)), n=range(N)
    )
    report, features = sound(settings, tmp_path, data)
    kept = pa.concat_tables(rows for _, rows in report.draft.events.partitions())
    local = ZoneInfo(zone)
    wanted = {
        (row["at"].astimezone(local).date(), place): (
            row["at"].astimezone(local).date() - row["opened"].astimezone(local).date()
        ).days
        for _, rows in report.draft.events.partitions()
        for place, row in enumerate(rows.to_pylist())
    }
    assert kept.num_rows == N
    for row in features.to_pylist():
        assert row["days_since_opened"] == wanted[(row["event_date"], row["row_id"] % 10**8)]


def test_midnights_of_a_zone_have_no_hour(settings: Settings, tmp_path: Path) -> None:
    zone = ZoneInfo("America/New_York")
    at = [datetime(2024, 2, 20, tzinfo=zone) + timedelta(days=number // ROWS) for number in range(N)]
    data = table(at=pa.array(at, pa.timestamp("us", "America/New_York")), order_id=range(N))
    _, features = sound(settings, tmp_path, data)
    assert "hour" not in features.column_names


def test_a_zone_that_nobody_knows_is_said(settings: Settings, tmp_path: Path) -> None:
    data = table(at=pa.array(HOURLY, pa.timestamp("us", "UTC")).cast(pa.timestamp("us", "+05:30")))
    report, _ = sound(settings, tmp_path, data)
    assert "'+05:30' is no IANA time zone, so a day is a day of UTC" in report.render()


@pytest.mark.parametrize(
    ("form", "per_second"), [("epoch_s", 1), ("epoch_ms", 10**3), ("epoch_us", 10**6), ("epoch_ns", 10**9)]
)
def test_numbers_that_count_from_1970(settings: Settings, tmp_path: Path, form: str, per_second: int) -> None:
    numbers = pa.array([round(moment.timestamp()) * per_second for moment in HOURLY])
    with pytest.raises(ConfigError, match=f"is int64, not a time; .*say --time-format {form}$"):
        drafted(settings, table(at=numbers), tmp_path / "data.parquet")
    report, _ = sound(settings, tmp_path, table(at=numbers), time_format=form)
    assert (report.draft.events.first, len(report.draft.events.days)) == (date(2024, 3, 1), DAYS)


def test_digits_of_a_date(settings: Settings, tmp_path: Path) -> None:
    numbers = [int(f"{moment:%Y%m%d}") for moment in HOURLY]
    with pytest.raises(ConfigError, match="--time-format %Y%m%d"):
        drafted(settings, table(at=numbers), tmp_path / "data.parquet")
    report, _ = sound(settings, tmp_path, table(at=numbers), time_format="%Y%m%d")
    assert len(report.draft.events.days) == DAYS


@pytest.mark.parametrize("year", [1900, 1955, 1969, 2030])
def test_years_that_are_real_are_taken(settings: Settings, tmp_path: Path, year: int) -> None:
    at = [moment.replace(year=year, tzinfo=None) for moment in HOURLY]
    report, features = sound(settings, tmp_path, table(at=pa.array(at, pa.timestamp("us"))))
    assert report.draft.events.first.year == year
    assert features["event_date"][0].as_py().year == year


@pytest.mark.parametrize("filler", [datetime(1970, 1, 1), datetime(1900, 1, 1), datetime(2099, 12, 31)])
def test_fillers_for_missing_times_are_refused(settings: Settings, tmp_path: Path, filler: datetime) -> None:
    at = [filler if number in (7, 500) else moment.replace(tzinfo=None) for number, moment in enumerate(HOURLY)]
    with pytest.raises(DataError, match=f"at: 2 rows, as of {filler.date()}, are .* days apart from the others"):
        drafted(settings, table(at=pa.array(at, pa.timestamp("us"))), tmp_path / "data.parquet")


@pytest.mark.parametrize(("form", "said"), [("%Q", "is no pattern"), ("%d/%m/%Y", "no times by %d/%m/%Y")])
def test_a_pattern_that_does_not_fit(settings: Settings, tmp_path: Path, form: str, said: str) -> None:
    at = [f"{moment:%Y-%m-%d}" for moment in HOURLY]
    with pytest.raises(ConfigError, match=said):
        drafted(settings, table(at=at), tmp_path / "data.parquet", time_format=form)


def test_a_pattern_for_what_is_a_time_already(settings: Settings, tmp_path: Path) -> None:
    with pytest.raises(ConfigError, match="--time-format: column 'at' is timestamp"):
        drafted(settings, table(), tmp_path / "data.parquet", time_format="%Y")


def test_texts_at_midnight_are_dates(settings: Settings, tmp_path: Path) -> None:
    report, _ = sound(
        settings, tmp_path, table(at=[f"{moment:%Y-%m-%d} 00:00" for moment in HOURLY], order_id=range(N))
    )
    assert "at: text is stored as dates" in report.render()

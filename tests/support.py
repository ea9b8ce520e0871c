"""What many tests need: a small synthetic model with its lake, and ways to spoil a partition."""

from __future__ import annotations

import hashlib
import textwrap
from dataclasses import dataclass
from datetime import UTC, date, datetime, timedelta
from functools import cache
from pathlib import Path

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq

from pipelines.config.load import load_model
from pipelines.config.model import Model
from pipelines.config.settings import Settings

FIRST, DAYS, ROWS = date(2024, 1, 1), 40, 120
SHOPS = ("north", "south", "east", "west")

MODEL_YAML = """
title: Orders that arrive late
owner: tests
task: binary
schedule: {start: 2024-01-01, end: 2025-12-31}
tables:
  orders:
    role: events
    uri: orders/{date}.parquet
    key: [order_id]
    time: placed_at
    after_event: [delay]
  skies:
    role: context
    uri: skies/{date}.parquet
    key: [shop]
    time: placed_at
    known: forecast
  shops:
    role: static
    uri: shops.parquet
    key: [shop]
label:
  expression: delay > 15
  maturity_days: 1
window: {train_days: 20, test_days: 5, validation_days: 4, lookback_days: 7, min_rows: 300}
training:
  rounds: 60
  early_stopping_rounds: 10
  threads: 1
  booster: {learning_rate: 0.15, max_depth: 3, min_child_weight: 5}
evaluation: {slices: [shop], min_slice_rows: 20, shap_rows: 200, baseline_rows: 2000}
gates:
  floors: {auc: 0.55}
  champion: {metric: log_loss, margin: 0.02, min_rows: 100}
promotion: auto
"""

FEATURES_PY = '''
"""Features of the tiny model: the order itself, its shop, the forecast and how late the shop was lately."""

from datetime import date

import ibis


def build(tables: dict[str, ibis.Table], as_of: date) -> ibis.Table:
    """One row an order; everything is known at the midnight before it."""
    orders, skies, shops, labels = (tables[name] for name in ("orders", "skies", "shops", "labels"))
    morning = orders.event_date.cast("timestamp")
    days = orders.select("shop", "event_date").distinct()
    daily = labels.group_by(["shop", "known_at"]).aggregate(
        late=labels.label.cast("int64").sum(), seen=labels.count().cast("int64")
    )
    start = days.event_date.cast("timestamp")
    known = days.join(
        daily, [days.shop == daily.shop, daily.known_at <= start, daily.known_at > start - ibis.interval(days=7)]
    ).select(days.shop, days.event_date, daily.late, daily.seen)
    recent = known.group_by(["shop", "event_date"]).aggregate(late=known.late.sum(), seen=known.seen.sum())
    joined = (
        orders.mutate(known_at=morning)
        .left_join(skies.select("shop", "event_date", "rain"), ["shop", "event_date"])
        .drop("shop_right", "event_date_right")
        .left_join(shops, "shop")
        .drop("shop_right")
        .left_join(recent, ["shop", "event_date"])
        .drop("shop_right", "event_date_right")
    )
    return joined.select(
        "row_id",
        "known_at",
        "shop",
        "product",
        hour=joined.placed_at.hour().cast("int16"),
        weekday=joined.event_date.day_of_week.index().cast("int16"),
        distance=joined.distance.cast("float32"),
        rain=joined.rain.cast("float32"),
        couriers=joined.couriers.cast("int16"),
        late_rate_7d=(joined.late.cast("float64") / joined.seen.cast("float64")).cast("float32"),
    )
'''

EXPECTATIONS_YAML = """
orders:
  - expect: ExpectTableColumnsToMatchSet
    severity: critical
    with: {column_set: [order_id, placed_at, shop, product, distance, delay]}
  - {expect: ExpectColumnValuesToBeOfType, severity: critical, with: {column: distance, type_: float64}}
  - {expect: ExpectColumnValuesToBeOfType, severity: critical, with: {column: delay, type_: int32}}
  - {expect: ExpectColumnValuesToNotBeNull, severity: critical, with: {column: order_id}}
  - {expect: ExpectColumnValuesToNotBeNull, severity: critical, with: {column: delay, mostly: 0.8}}
  - {expect: ExpectColumnValuesToBeBetween, severity: critical, with: {column: distance, min_value: 0, max_value: 40}}
  - {expect: ExpectColumnValuesToBeInSet, severity: warning, with: {column: product, value_set: [bread, cake, pie]}}
skies:
  - {expect: ExpectColumnValuesToBeBetween, severity: critical, with: {column: rain, min_value: 0, max_value: 100}}
shops:
  - {expect: ExpectColumnValuesToNotBeNull, severity: critical, with: {column: couriers}}
"""


@dataclass(frozen=True)
class TinyModel:
    """A model folder of three files and the lake that feeds it, `DAYS` days from `first` to `last`."""

    name: str
    folder: Path
    lake: Path
    first: date
    last: date

    @property
    def model(self) -> Model:
        """The folder as the framework reads it, anew each time."""
        return load_model(self.folder)

    def day(self, number: int) -> date:
        """The day `number` days after the first."""
        return self.first + timedelta(days=number)

    def path(self, table: str, day: date | None = None) -> Path:
        """Where the lake holds the partition."""
        return self.lake / table / f"{day.isoformat()}.parquet" if day else self.lake / f"{table}.parquet"

    def read(self, table: str, day: date | None = None) -> pa.Table:
        """The partition as it lies in the lake."""
        return pq.read_table(self.path(table, day))

    def write(self, data: pa.Table, table: str, day: date | None = None) -> Path:
        """Deliver `data` as the partition, in place of what was there."""
        path = self.path(table, day)
        path.parent.mkdir(parents=True, exist_ok=True)
        _write(data, path)
        return path

    def edit(self, old: str, new: str, file: str = "model.yaml") -> None:
        """Replace a text of one of the folder's files; it must be there."""
        path = self.folder / file
        text = path.read_text()
        assert old in text, f"{old!r} is not in {file}"
        path.write_text(text.replace(old, new))


def write_tiny_model(
    settings: Settings, name: str = "tiny", *, days: int = DAYS, rows: int = ROWS, place: str = ""
) -> TinyModel:
    """Write the model's folder below `settings.models` and its daily tables into `settings.lake`, or a folder there."""
    folder = settings.models / name
    folder.mkdir(parents=True)
    for file, text in (
        ("model.yaml", MODEL_YAML.replace("uri: ", f"uri: {place}/") if place else MODEL_YAML),
        ("features.py", FEATURES_PY),
        ("expectations.yaml", EXPECTATIONS_YAML),
    ):
        (folder / file).write_text(textwrap.dedent(text).lstrip())
    tiny = TinyModel(name, folder, Path(settings.lake) / place, FIRST, FIRST + timedelta(days=days - 1))
    tiny.write(shops(), "shops")
    for table in ("orders", "skies"):
        (tiny.lake / table).mkdir(exist_ok=True)
        for day in map(tiny.day, range(days)):
            tiny.path(table, day).write_bytes(_partition(table, day, rows))
    return tiny


@cache
def _partition(table: str, day: date, rows: int) -> bytes:
    """The file of a day, as `TinyModel.write` writes it: hundreds of tests want the same forty days."""
    file = pa.BufferOutputStream()
    _write(orders(day, rows) if table == "orders" else skies(day), file)
    return file.getvalue().to_pybytes()


def _write(data: pa.Table, where: Path | pa.BufferOutputStream) -> None:
    pq.write_table(data, where, compression="zstd", write_page_checksum=True)


def shops() -> pa.Table:
    """Four shops; more couriers, fewer late orders."""
    return pa.table({"shop": list(SHOPS), "couriers": pa.array([9, 3, 6, 4], pa.int32())})


def skies(day: date) -> pa.Table:
    """One row a shop and day: millimetres of rain, which decide much of a day's lateness."""
    rain = _random("skies", day).gamma(0.8, 6.0, len(SHOPS)).clip(0, 60).round(1)
    at = pa.array([datetime(day.year, day.month, day.day, 6, tzinfo=UTC)] * len(SHOPS), pa.timestamp("us", tz="UTC"))
    return pa.table({"shop": list(SHOPS), "placed_at": at, "rain": rain})


def orders(day: date, rows: int = ROWS) -> pa.Table:
    """`rows` orders of `day`; `delay` in minutes, null for about 3% that never arrive."""
    random = _random("orders", day)
    rain = dict(zip(SHOPS, skies(day)["rain"].to_pylist(), strict=True))
    couriers = dict(zip(SHOPS, shops()["couriers"].to_pylist(), strict=True))
    shop = random.choice(SHOPS, rows)
    product = random.choice(["bread", "cake", "pie"], rows, p=[0.6, 0.3, 0.1])
    second = np.sort(random.integers(7 * 3600, 22 * 3600, rows))
    distance = random.gamma(2.0, 2.5, rows).clip(0.1, 40).round(2)
    wet = np.array([rain[name] for name in shop])
    hands = np.array([couriers[name] for name in shop])
    rush = ((second // 3600 >= 17) & (second // 3600 < 20)) * 9.0
    delay = -4 + 0.5 * wet + 1.6 * distance - 1.5 * (hands - 5) + rush + (product == "cake") * 4
    delay = np.rint(delay + random.normal(0, 8, rows)).astype("int32")
    midnight = int(datetime(day.year, day.month, day.day, tzinfo=UTC).timestamp())
    return pa.table(
        {
            "order_id": pa.array([f"{day:%Y%m%d}-{number:05d}" for number in range(rows)]),
            "placed_at": pa.array((midnight + second) * 1_000_000, pa.timestamp("us", tz="UTC")),
            "shop": pa.array(shop.tolist()),
            "product": pa.array(product.tolist()),
            "distance": distance,
            "delay": pa.array(delay, mask=random.random(rows) < 0.03),
        }
    )


def flip_bit(path: Path, byte: int, bit: int = 0) -> None:
    """Flip one bit of the file at `path`."""
    data = bytearray(path.read_bytes())
    data[byte] ^= 1 << bit
    path.write_bytes(bytes(data))


def _random(what: str, day: date) -> np.random.Generator:
    seed = hashlib.sha256(f"{what} {day}".encode()).digest()[:8]
    return np.random.default_rng(int.from_bytes(seed, "big"))

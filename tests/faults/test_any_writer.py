"""The same rows by any writer in any width: accepted and scored as their plain form, or refused by name."""

from __future__ import annotations

import math
from collections.abc import Callable
from datetime import UTC, date, datetime, timedelta
from decimal import Decimal
from pathlib import Path
from typing import Any

import duckdb
import numpy as np
import polars
import pyarrow as pa
import pyarrow.compute as pc
import pyarrow.parquet as pq
import pytest
from hypothesis import given, reject, settings
from hypothesis import strategies as st

from pipelines.config.load import load_model
from pipelines.config.model import Model, Validation
from pipelines.config.params import RunParams
from pipelines.engines.frame import open_frame
from pipelines.engines.local import connect
from pipelines.engines.sources import SourceFile
from pipelines.errors import DataError
from pipelines.quality.conform import Conformed, voted_types
from pipelines.quality.suite import Suite
from pipelines.quality.verdict import Verdict, conformed, judge_many
from pipelines.storage import parquet

DAY, ROWS = date(2024, 3, 31), 24
MODEL = """
title: Rides
owner: tests
task: binary
schedule: {start: 2023-01-01}
tables:
  rides: {role: events, uri: "rides/{date}.parquet", key: [ride], time: at, after_event: [late]}
label: {expression: late > 10}
window: {train_days: 20, test_days: 5}
"""
FEATURES = '''
def build(tables, as_of):
    """One row a ride."""
    rides = tables["rides"]
    return rides.select(
        "row_id",
        "km",
        "flag",
        "shop",
        known_at=rides.event_date.cast("timestamp"),
        code=rides.code.cast("string"),
        code_half=rides.code * 1000 / 2,
        price=rides.price.cast("float64") * 3,
        big=(rides.big % 1000).cast("int32"),
        hour=rides.at.hour().cast("int16"),
    )
'''
EXPECTATIONS = """
rides:
  - {expect: ExpectColumnValuesToBeUnique, severity: critical, with: {column: big}}
  - {expect: ExpectColumnValuesToBeBetween, severity: critical, with: {column: km, min_value: 0, max_value: 100}}
  - {expect: ExpectColumnValuesToNotBeNull, severity: critical, with: {column: late, mostly: 0}}
"""
Cast = Callable[[pa.Array], pa.Array]


def plain() -> pa.Table:
    """A day as pyarrow writes it by default, with values that the narrowest of the types below can hold."""
    numbers = np.arange(ROWS)
    noon = datetime(DAY.year, DAY.month, DAY.day, tzinfo=UTC)
    at = [noon + timedelta(minutes=53 * int(number)) for number in numbers]
    return pa.table(
        {
            "ride": [f"r{number:03d}" for number in numbers],
            "at": pa.array(at, pa.timestamp("us", "UTC")),
            "code": pa.array([None if n % 7 == 0 else int(n % 5) for n in numbers], pa.int64()),
            "km": pa.array([None if n % 9 == 0 else n * 0.25 for n in numbers], pa.float64()),
            "price": pa.array([None if n % 11 == 0 else round(0.1 + n * 1.07, 2) for n in numbers], pa.float64()),
            "big": pa.array([None if n == 3 else 2**60 + int(n) for n in numbers], pa.int64()),
            "flag": pa.array([None if n % 8 == 0 else bool(n % 2) for n in numbers], pa.bool_()),
            "shop": pa.array([None if n % 10 == 0 else ("Zürich", "NO", "6.0", "")[n % 4] for n in numbers]),
            "late": pa.array([None if n % 6 == 0 else int(n) for n in numbers], pa.int64()),
        }
    )


def as_decimal(kind: pa.DataType) -> Cast:
    """Numbers as decimals, by their shortest digits."""
    digits = Decimal(1).scaleb(-kind.scale)
    return lambda array: pa.array(
        [None if v is None else Decimal(repr(v)).quantize(digits) for v in array.to_pylist()], kind
    )


def as_type(kind: pa.DataType) -> Cast:
    return lambda array: array.cast(kind)


def as_half(array: pa.Array) -> pa.Array:
    return pa.array([None if v is None else np.float16(v) for v in array.to_pylist()], pa.float16())


def with_nan(array: pa.Array) -> pa.Array:
    """As pandas gives whole numbers among which one is missing."""
    return pa.array([math.nan if v is None else float(v) for v in array.to_pylist()], pa.float64())


def encoded(array: pa.Array) -> pa.Array:
    return array.dictionary_encode()


def nothing(array: pa.Array) -> pa.Array:
    return pa.nulls(len(array))


WHOLE: list[Cast] = [as_type(kind) for kind in (pa.int8(), pa.int16(), pa.int32(), pa.int64(), pa.uint8(), pa.uint16())]
WHOLE += [as_type(kind) for kind in (pa.uint32(), pa.uint64(), pa.float32(), pa.float64())]
WHOLE += [as_decimal(pa.decimal128(38, 0)), as_decimal(pa.decimal128(9, 2)), as_decimal(pa.decimal256(60, 0))]
WHOLE += [as_half, with_nan, encoded]
TIMES: list[Cast] = [
    as_type(pa.timestamp(unit, zone)) for unit in ("s", "ms", "us", "ns") for zone in (None, "UTC", "Asia/Tokyo")
]
TEXTS: list[Cast] = [as_type(kind) for kind in (pa.string(), pa.large_string(), pa.string_view(), pa.binary())]
VARIANTS: dict[str, list[Cast]] = {
    "ride": [*TEXTS, encoded],
    "at": [*TIMES, as_type(pa.timestamp("us", "Mars/Olympus"))],
    "code": [*WHOLE, nothing],
    "km": [as_type(pa.float64()), as_type(pa.float32()), as_half, as_decimal(pa.decimal128(20, 4)), with_nan],
    "price": [
        as_type(pa.float64()),
        *map(as_decimal, (pa.decimal128(9, 2), pa.decimal128(38, 4), pa.decimal256(70, 2))),
    ],
    "big": [
        as_type(pa.int64()),
        as_type(pa.uint64()),
        as_decimal(pa.decimal128(38, 0)),
        as_decimal(pa.decimal128(25, 3)),
    ],
    "flag": [as_type(pa.bool_()), as_type(pa.int8()), lambda array: as_type(pa.float32())(array.cast(pa.int8()))],
    "shop": [*TEXTS, encoded],
    "late": [*WHOLE, nothing],
}
EXTRAS: list[Cast] = [
    lambda array: pa.array(np.arange(len(array)).astype(np.float16)),
    lambda array: pa.array([Decimal(10) ** 30] * len(array), pa.decimal256(76, 40)),
    lambda array: pa.array([10**14] * len(array), pa.timestamp("s")),
    lambda array: pa.array([10**17 * 9] * len(array), pa.timestamp("us", "Nowhere/Land")),
    lambda array: pa.array([10**8] * len(array), pa.date32()),
    lambda array: pa.array([1e300, math.inf] * (len(array) // 2)),
    lambda array: pa.array([b"\xff\x00"] * len(array)),
    lambda array: pa.array(range(len(array)), pa.duration("ns")),
    lambda array: pa.array(range(len(array)), pa.time64("ns")),
    nothing,
]
NAMES = (
    "filename",
    "Event_Date",
    "row_id",
    "__index_level_0__",
    "a<b",
    "x[1]",
    "Größe",
    "no",
    "with space",
    'quo"te',
    "%",
    "file_index",
)


def by_pyarrow(table: pa.Table, path: Path, v2: bool) -> None:
    pq.write_table(table, path, data_page_version="2.0" if v2 else "1.0")


def by_pyarrow_delta(table: pa.Table, path: Path, v2: bool) -> None:
    texts = (pa.types.is_string, pa.types.is_large_string, pa.types.is_binary)
    columns = {field.name: "DELTA_BYTE_ARRAY" for field in table.schema if any(test(field.type) for test in texts)}
    version = "2.0" if v2 else "1.0"
    pq.write_table(table, path, use_dictionary=False, column_encoding=columns, data_page_version=version)


def by_pyarrow_for_impala(table: pa.Table, path: Path, v2: bool) -> None:
    pq.write_table(table, path, use_deprecated_int96_timestamps=True, store_schema=v2)


def by_pandas(table: pa.Table, path: Path, v2: bool) -> None:
    frame = table.to_pandas()
    frame.index = frame.index + 5
    frame.to_parquet(path, index=v2)


def by_polars(table: pa.Table, path: Path, v2: bool) -> None:
    if any(pa.types.is_decimal256(kind) for kind in table.schema.types):
        raise TypeError("polars has no such decimals, and says so by a panic")
    polars.from_arrow(table).write_parquet(path, compression="snappy" if v2 else "zstd")


def by_duckdb(table: pa.Table, path: Path, v2: bool) -> None:
    with duckdb.connect() as session:
        session.register("day", table)
        session.execute(f"COPY day TO '{path}' (FORMAT parquet, PARQUET_VERSION V{2 if v2 else 1})")


WRITERS = (by_pyarrow, by_pyarrow_delta, by_pyarrow_for_impala, by_pandas, by_polars, by_duckdb)
# What a writer says of a type that it cannot write, or has no value for.
CANNOT = (pa.ArrowException, duckdb.Error, polars.exceptions.PolarsError, ValueError, TypeError, OverflowError)


class World:
    """A model folder, and the features of the plain day."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        for name, text in (("model.yaml", MODEL), ("features.py", FEATURES), ("expectations.yaml", EXPECTATIONS)):
            (folder / name).write_text(text)
        self.model: Model = load_model(folder)
        self.suite = Suite.load(folder, self.model)
        self.types = voted_types([plain().schema])
        parquet.write_table(folder / "plain.parquet", plain(), durable=False)
        self.features, self.shown = self.built(folder / "plain.parquet", {})

    def arrives(self, path: Path) -> tuple[Conformed | None, Verdict]:
        """What becomes of a file, as ingest judges it."""
        try:
            raw = parquet.load(path, Validation())[1]
        except DataError as error:
            return None, Verdict(False, (error.line(),))
        data = conformed(self.suite, "rides", raw, self.types)
        return data, next(judge_many(self.suite, "rides", [(DAY, data)], self.model))

    def built(self, path: Path, types: dict[str, dict[str, str]]) -> tuple[pa.Table, dict[str, dict[str, str]]]:
        """The features of a day's file."""
        params = RunParams.of("rides", self.model, DAY + timedelta(days=1))
        with connect(self.folder / "duckdb", threads=1) as connection:
            files = [SourceFile("rides", DAY, path, ROWS)]
            frame = open_frame(connection, params, files, self.folder / "features.py", now=DAY, types=types)
            return frame.table(DAY, DAY, label=True), frame.types

    def scored(self, data: Conformed, path: Path) -> pa.Table:
        """The features of what was taken in."""
        parquet.write_table(path, data.table, durable=False)
        return self.built(path, self.shown)[0]


@pytest.fixture(scope="module")
def world(tmp_path_factory: pytest.TempPathFactory) -> World:
    return World(tmp_path_factory.mktemp("rides"))


def draws() -> st.SearchStrategy[dict[str, Any]]:
    return st.fixed_dictionaries(
        {name: st.integers(0, len(casts) - 1) for name, casts in VARIANTS.items()}
        | {
            "order": st.permutations(list(VARIANTS)),
            "extras": st.dictionaries(st.sampled_from(NAMES), st.integers(0, len(EXTRAS) - 1), max_size=3),
            "writer": st.sampled_from(WRITERS),
            "v2": st.booleans(),
        }
    )


def table_of(draw: dict[str, Any]) -> pa.Table:
    data = plain()
    columns = {name: VARIANTS[name][draw[name]](data[name].combine_chunks()) for name in draw["order"]}
    return pa.table(columns | {name: EXTRAS[at](data["ride"]) for name, at in draw["extras"].items()})


def written(draw: dict[str, Any], path: Path) -> None:
    try:
        draw["writer"](table_of(draw), path, draw["v2"])
    except CANNOT:
        reject()


@settings(max_examples=150)
@given(draw=draws())
def test_any_writer_and_width_scores_as_the_plain_form(world: World, draw: dict[str, Any]) -> None:
    path = world.folder / "drawn.parquet"
    written(draw, path)
    data, verdict = world.arrives(path)
    if draw["writer"] is by_pandas and draw["big"] in (0, 1):
        # pandas makes doubles of whole numbers among which one is missing, and these are too large for one.
        assert [reason.partition(" values")[0] for reason in verdict.reasons] == ["big: 23 of 24"]
        return
    assert verdict.accepted, (draw, verdict.reasons)
    assert data is not None
    found = world.scored(data, path)
    for name in world.features.column_names:
        if name == "label" and pc.all(pc.is_null(found[name])).as_py():
            continue  # the newest day, whose labels nobody has yet
        if name.startswith("code") and VARIANTS["code"][draw["code"]] is nothing:
            continue
        assert found[name].equals(world.features[name]), (name, draw)


def halves_of(world: World, folder: Path, odd: pa.Table, types: dict[str, dict[str, str]]) -> pa.Table:
    """The features of the plain day, built together with those of an odd day before it."""
    before = folder / "before.parquet"
    pq.write_table(odd, before)
    params = RunParams.of("rides", world.model, DAY + timedelta(days=1))
    files = [SourceFile("rides", DAY - timedelta(days=1), before, ROWS)]
    files.append(SourceFile("rides", DAY, world.folder / "plain.parquet", ROWS))
    with connect(folder / "duckdb", threads=1) as connection:
        frame = open_frame(connection, params, files, world.folder / "features.py", now=DAY, types=types)
        return frame.table(DAY, DAY, label=True)


def recast(name: str, cast: Cast) -> pa.Table:
    data = plain()
    return data.set_column(data.column_names.index(name), name, cast(data[name].combine_chunks()))


@pytest.mark.parametrize("cast", WHOLE)
def test_one_odd_day_leaves_the_next_days_categories_as_they_are(world: World, tmp_path: Path, cast: Cast) -> None:
    """Codes that came as doubles once turned the next day's '6' into '6.0'."""
    pq.write_table(recast("code", cast), tmp_path / "odd.parquet")
    data, verdict = world.arrives(tmp_path / "odd.parquet")
    assert verdict.accepted
    assert data is not None
    assert halves_of(world, tmp_path, data.table, world.shown).equals(world.features)


@pytest.mark.parametrize("pinned", [True, False])
def test_a_day_of_another_kind_that_was_accepted_before_is_refused_by_name(
    world: World, tmp_path: Path, pinned: bool
) -> None:
    with pytest.raises(DataError, match=r"table rides: column code .*number on 2024-03-30") as told:
        halves_of(world, tmp_path, recast("code", with_nan), world.shown if pinned else {})
    assert "anew" in told.value.remedy


def test_a_width_in_a_day_that_was_accepted_before_changes_nothing(world: World, tmp_path: Path) -> None:
    odd = recast("code", as_type(pa.int8()))
    assert halves_of(world, tmp_path, odd, world.shown).equals(world.features)
    assert halves_of(world, tmp_path, odd, {}).equals(world.features)


@pytest.mark.parametrize("name", ["code", "km", "price", "at"])
def test_names_that_differ_in_case_alone_are_refused_where_the_model_means_one(
    world: World, tmp_path: Path, name: str
) -> None:
    other = name.swapcase()
    pq.write_table(plain().append_column(other, plain()["ride"]), tmp_path / "odd.parquet")
    _, verdict = world.arrives(tmp_path / "odd.parquet")
    assert not verdict.accepted
    assert "differ in case alone" in verdict.reasons[0]


def test_names_that_differ_in_case_alone_are_nobodys_business_where_nobody_means_them(
    world: World, tmp_path: Path
) -> None:
    odd = plain().append_column("Note", plain()["ride"]).append_column("note", plain()["ride"])
    pq.write_table(odd, tmp_path / "odd.parquet")
    data, verdict = world.arrives(tmp_path / "odd.parquet")
    assert verdict.accepted
    assert data is not None
    assert world.scored(data, tmp_path / "odd.parquet").equals(world.features)


@pytest.mark.parametrize(
    ("name", "values", "said"),
    [
        ("code", pa.array(["1"] * ROWS), "code: type string instead of int64, as it was kept so far"),
        ("code", pa.array([1.5] * ROWS), "code: 24 of 24 values do not fit int64, such as 1.5, as it was kept so far"),
        (
            "code",
            pa.array([2**63 + 1] * ROWS, pa.uint64()),
            "code: 24 of 24 values do not fit int64, such as 9223372036854775809",
        ),
        ("km", pa.array([1e300] * ROWS), "km: 24 of 24 values are larger than a 32-bit float can be, as 1e+300"),
        ("km", pa.array([-1.7976931348623157e308] * ROWS), "km: 24 of 24 values are larger than a 32-bit float"),
        ("flag", pa.array([2] * ROWS), "flag: 24 of 24 values do not fit bool, such as 2"),
        ("shop", pa.array([b"\xff"] * ROWS), "shop: holds bytes that are no UTF-8 text"),
        (
            "at",
            pa.array([10**14] * ROWS, pa.timestamp("s")),
            "at: 24 of 24 values do not fit timestamp (counted in ms)",
        ),
        (
            "at",
            pa.array([10**17 * 9] * ROWS, pa.timestamp("us")),
            "at: 24 of 24 are outside the years 1 to 9999, such as 30489",
        ),
        ("at", pa.array([3 * 10**6] * ROWS, pa.date32()), "at: 24 of 24 are outside the years 1 to 9999, such as"),
    ],
)
def test_what_fits_no_column_of_its_kind_is_refused_by_name(
    world: World, tmp_path: Path, name: str, values: pa.Array, said: str
) -> None:
    data = plain()
    pq.write_table(data.set_column(data.column_names.index(name), name, values), tmp_path / "odd.parquet")
    _, verdict = world.arrives(tmp_path / "odd.parquet")
    assert not verdict.accepted
    assert said in " | ".join(verdict.reasons)

"""What fits a column's type without loss, and what is kept of it."""

from __future__ import annotations

from decimal import Decimal

import numpy as np
import pyarrow as pa
import pytest
from hypothesis import given
from hypothesis import strategies as st

from pipelines.engines import kinds
from pipelines.engines.kinds import MisfitError, fit

INTEGERS = [getattr(pa, f"{sign}int{bits}")() for sign in ("", "u") for bits in (8, 16, 32, 64)]


def column(values: list, kind: pa.DataType) -> pa.ChunkedArray:
    return pa.chunked_array([pa.array(values, kind)])


@given(values=st.lists(st.none() | st.integers(-(2**70), 2**70), max_size=20), to=st.sampled_from(INTEGERS))
def test_fit_whole_numbers_keep_their_values_or_are_refused(values: list[int | None], to: pa.DataType) -> None:
    low, high = np.iinfo(to.to_pandas_dtype()).min, np.iinfo(to.to_pandas_dtype()).max
    data = column([None if value is None else Decimal(value) for value in values], pa.decimal128(38, 0))
    if all(value is None or low <= value <= high for value in values):
        assert fit(data, to).to_pylist() == values
    else:
        with pytest.raises(MisfitError) as told:
            fit(data, to)
        bad = [value for value in values if value is not None and not low <= value <= high]
        assert f"{len(bad)} of {len(values)} values do not fit {to}" in told.value.sentence
        assert str(bad[0])[:20] in told.value.sentence


@given(values=st.lists(st.none() | st.floats(width=32), max_size=20))
def test_fit_narrow_floats_keep_every_bit_and_nan_is_null(values: list[float | None]) -> None:
    found = fit(column(values, pa.float32()), pa.float64()).to_pylist()
    assert found == [None if value is None or np.isnan(value) else value for value in values]


@given(values=st.lists(st.none() | st.decimals(-(10**12), 10**12, places=3, allow_nan=False), max_size=20))
def test_fit_decimals_become_the_doubles_that_their_digits_name(values: list[Decimal | None]) -> None:
    data = column(values, pa.decimal128(30, 3))
    assert fit(data, pa.float64()).to_pylist() == [None if value is None else float(str(value)) for value in values]


@given(
    values=st.lists(st.none() | st.integers(-(2**60), 2**60), max_size=20), zone=st.sampled_from([None, "Asia/Tokyo"])
)
def test_fit_nanoseconds_are_cut_to_the_microsecond_before(values: list[int | None], zone: str | None) -> None:
    found = fit(column(values, pa.timestamp("ns", zone)), pa.timestamp("us", zone and "UTC"))
    assert found.cast(pa.int64()).to_pylist() == [None if value is None else value // 1000 for value in values]


@given(values=st.lists(st.none() | st.integers(-(2**62), 2**62), max_size=20), unit=st.sampled_from(["s", "ms"]))
def test_fit_coarse_times_are_the_same_instants_or_refused(values: list[int | None], unit: str) -> None:
    ticks = {"s": 10**6, "ms": 10**3}[unit]
    data = column(values, pa.timestamp(unit))
    if all(value is None or abs(value) * ticks < 2**63 for value in values):
        found = fit(data, pa.timestamp("us")).cast(pa.int64()).to_pylist()
        assert found == [None if value is None else value * ticks for value in values]
    else:
        with pytest.raises(MisfitError, match=f"do not fit timestamp .counted in {unit}"):
            fit(data, pa.timestamp("us"))


def test_fit_gives_back_the_very_column_where_there_is_nothing_to_do() -> None:
    data = column([1.0, None], pa.float64())
    assert fit(data, pa.float64()) is data


@pytest.mark.parametrize(
    ("values", "kind", "to"),
    [
        (["1"], pa.string(), pa.int64()),
        ([1], pa.int64(), pa.string()),
        ([0], pa.timestamp("us"), pa.int64()),
        ([True], pa.bool_(), pa.decimal128(38, 2)),
        ([0], pa.time64("us"), pa.timestamp("us")),
        ([[1]], pa.list_(pa.int64()), pa.int64()),
    ],
)
def test_fit_another_kind_is_said_so_whatever_the_values(values: list, kind: pa.DataType, to: pa.DataType) -> None:
    with pytest.raises(MisfitError) as told:
        fit(column(values, kind), to)
    assert told.value.by_kind
    assert told.value.sentence.startswith("type ")


@pytest.mark.parametrize(
    ("kind", "wide"),
    [
        (pa.int8(), pa.int64()),
        (pa.uint64(), pa.uint64()),
        (pa.float16(), pa.float64()),
        (pa.decimal256(70, 0), pa.int64()),
        (pa.decimal256(70, 3), pa.decimal128(38, 3)),
        (pa.decimal256(70, 50), None),
        (pa.dictionary(pa.int8(), pa.large_string()), pa.string()),
        (pa.timestamp("ns", "Asia/Tokyo"), pa.timestamp("us", "UTC")),
        (pa.timestamp("s"), pa.timestamp("us")),
        (pa.date64(), pa.date32()),
        (pa.list_(pa.int8()), None),
        (pa.null(), pa.null()),
    ],
)
def test_wide_is_the_type_that_holds_all_of_a_kind(kind: pa.DataType, wide: pa.DataType | None) -> None:
    assert kinds.wide(kind) == wide
    if wide is not None:
        assert kinds.from_text(str(wide)) == wide


@pytest.mark.parametrize(
    "text", ["", "list<item: int64>", "decimal128(99, 2)", "decimal128(5, 9)", "timestamp[us, tz=Mars]"]
)
def test_from_text_anything_else_is_no_type(text: str) -> None:
    assert kinds.from_text(text) is None

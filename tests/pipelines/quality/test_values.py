from datetime import UTC, date, datetime, timedelta

import pyarrow as pa
import pytest
from hypothesis import given
from hypothesis import strategies as st

from pipelines.config.model import Table, Validation
from pipelines.quality.values import day_bounds, judge_row_count, judge_text, judge_values

NEW_YORK = "America/New_York"
TABLE = Table(role="context", uri="x/{date}.parquet", key=["id"], time="at", time_zone=NEW_YORK)


def hours(first: datetime, count: int) -> pa.Table:
    at = [first + timedelta(hours=n) for n in range(count)]
    return pa.table({"id": list(range(count)), "at": pa.array(at, pa.timestamp("us", "UTC"))})


def judged(data, day):
    return [item.sentence for item in judge_values(TABLE, ("id", "at"), frozenset(), data, day)]


@pytest.mark.parametrize(
    ("day", "begin", "length"),
    [
        (date(2013, 3, 9), datetime(2013, 3, 9, 5, tzinfo=UTC), 24),
        (date(2013, 3, 10), datetime(2013, 3, 10, 5, tzinfo=UTC), 23),
        (date(2013, 7, 1), datetime(2013, 7, 1, 4, tzinfo=UTC), 24),
        (date(2013, 11, 3), datetime(2013, 11, 3, 4, tzinfo=UTC), 25),
    ],
)
def test_a_local_day_has_23_24_or_25_hours(day, begin, length):
    assert day_bounds(day, NEW_YORK) == (begin, begin + timedelta(hours=length))
    assert judged(hours(begin, length), day) == []
    assert "1 of" in judged(hours(begin, length + 1), day)[0]
    assert "1 of" in judged(hours(begin - timedelta(hours=1), length), day)[0]


@given(
    st.dates(date(1995, 1, 1), date(2090, 1, 1)), st.sampled_from([NEW_YORK, "UTC", "Asia/Kathmandu", "Europe/London"])
)
def test_days_follow_each_other_without_gap_or_overlap(day, zone):
    assert day_bounds(day, zone)[1] == day_bounds(day + timedelta(days=1), zone)[0]


@pytest.mark.parametrize("zone", [None, "UTC", "Asia/Tokyo"])
@pytest.mark.parametrize("unit", ["s", "ms", "us", "ns"])
def test_event_times_of_any_unit_and_zone_are_compared_as_instants(unit, zone):
    noon = pa.array([datetime(2013, 1, 1, 17)], pa.timestamp(unit)).cast(pa.timestamp(unit, zone))
    assert judged(pa.table({"id": [1], "at": noon}), date(2013, 1, 1)) == []
    assert len(judged(pa.table({"id": [1], "at": noon}), date(2013, 1, 2))) == 1


def test_dates_must_be_the_day_itself():
    data = pa.table({"id": [1, 2], "at": pa.array([date(2013, 1, 1), date(2013, 1, 2)])})
    assert judged(data, date(2013, 1, 1)) == [
        "at: 1 of 2 event times are outside 2013-01-01 (America/New_York), from 2013-01-02 to 2013-01-02"
    ]


def test_null_times_and_keys_are_named():
    data = pa.table({"id": pa.array([1, None], pa.int64()), "at": pa.array([None, None], pa.timestamp("us", "UTC"))})
    assert judged(data, date(2013, 1, 1)) == [
        "at: all 2 values are null; if that is legal, say so with ExpectColumnValuesToNotBeNull and mostly: 0",
        "id: 1 of 2 values are null in a key column",
        "at: 2 of 2 event times are null",
    ]


def test_doubled_keys_are_counted_with_a_stable_example():
    begin = datetime(2013, 1, 1, 5, tzinfo=UTC)
    data = hours(begin, 6).set_column(0, "id", pa.array(["b", "a", "b", "a", "c", "a"]).dictionary_encode())
    assert judged(data, date(2013, 1, 1)) == [
        "duplicate keys: 3 of 6 rows repeat a key, such as id=a (3 times)",
    ]


@pytest.mark.parametrize(
    ("rows", "history", "legal"),
    [
        (100, [], True),
        (1, [100, 100], True),
        (20, [100] * 3, True),
        (19, [100] * 3, False),
        (500, [100] * 3, True),
        (501, [100] * 3, False),
        (100, [10_000] * 3 + [100] * 28, True),
    ],
)
def test_row_counts_are_compared_with_the_median_of_recent_ones(rows, history, legal):
    assert (judge_row_count(rows, history, Validation()) == []) is legal


def test_text_that_is_not_utf8_is_named():
    broken = pa.Array.from_buffers(pa.string(), 1, pa.array([b"\xff"], pa.binary()).buffers())
    found = judge_text(pa.table({"ok": ["a"], "bad": broken}))
    assert [item.sentence.split(":")[0] for item in found] == ["bad"]

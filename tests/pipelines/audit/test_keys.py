"""A row is found by its key as people write it."""

from __future__ import annotations

from datetime import UTC, date, datetime

import pyarrow as pa
import pytest

from pipelines.audit.keys import find, parse, written
from pipelines.errors import ConfigError, InputError

TABLE = pa.table(
    {
        "at": pa.array([datetime(2013, 3, 1, hour, tzinfo=UTC) for hour in (5, 5, 6)], pa.timestamp("us", tz="UTC")),
        "day": pa.array([date(2013, 3, 1)] * 3),
        "carrier": pa.array(["AA", "B6, Inc", "AA"]).dictionary_encode(),
        "flight": pa.array([1, 2, 1], pa.int32()),
    }
)
NAMES = TABLE.column_names


@pytest.mark.parametrize(
    ("text", "place"),
    [
        ("2013-03-01T05:00:00+00:00,2013-03-01,AA,1", 0),
        ('2013-03-01T05:00,2013-03-01,"B6, Inc",2', 1),
        ("2013-03-01T01:00:00-05:00, 2013-03-01, AA, 1", 2),
        ("flight=1,carrier=AA,day=2013-03-01,at=2013-03-01T06:00", 2),
    ],
)
def test_values_in_order_or_by_name(text, place):
    assert find(TABLE, parse(text, NAMES)) == [place]


def test_what_is_written_is_found_again():
    for place in range(TABLE.num_rows):
        assert find(TABLE, parse(written(TABLE, NAMES, place), NAMES)) == [place]


@pytest.mark.parametrize(
    ("text", "told"),
    [
        ("AA,1", "has 2 values, the key has 4"),
        ("", "has 0 values"),
        ("flight=1,carrier=AA", "lacks at, day"),
        ("flight=1,flight=2,carrier=AA,day=2013-03-01,at=2013-03-01", "names a column twice"),
    ],
)
def test_another_shape_of_key_is_refused(text, told):
    with pytest.raises(ConfigError, match=told):
        parse(text, NAMES)


@pytest.mark.parametrize(("name", "text"), [("at", "noon"), ("day", "1 March"), ("flight", "one"), ("flight", "1e99")])
def test_a_value_that_its_column_cannot_hold_is_refused(name, text):
    wanted = {"at": "2013-03-01T05:00", "day": "2013-03-01", "carrier": "AA", "flight": "1", name: text}
    with pytest.raises(ConfigError, match=f"column {name}"):
        find(TABLE, wanted)


def test_an_unknown_key_names_near_ones():
    with pytest.raises(InputError, match="no row has the key") as told:
        find(TABLE, parse("2013-03-01T05:00,2013-03-01,AA,3", NAMES))
    assert "2013-03-01T05:00:00+00:00,2013-03-01,AA,1" in told.value.remedy


def test_of_no_rows_none_is_near():
    with pytest.raises(InputError, match="there are no rows at all"):
        find(TABLE.slice(0, 0), parse("2013-03-01T05:00,2013-03-01,AA,3", NAMES))


def test_a_key_that_is_not_unique_gives_every_place():
    assert find(pa.table({"k": ["a", "b", "a"]}), {"k": "a"}) == [0, 2]

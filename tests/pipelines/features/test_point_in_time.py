"""Property: whatever the data, a helper's value for day D is the same with everything that came later removed."""

from __future__ import annotations

from datetime import date, datetime, timedelta

import duckdb
import ibis
import pyarrow as pa
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from pipelines.features import attach, daily_count, finish, lookup, trailing_count, trailing_mean, trailing_rate

FIRST, DAYS = date(2024, 1, 1), 12
EVENTS = {"row_id": "int64", "event_date": "date", "shop": "string", "size": "int32"}
LABELS = EVENTS | {"label": "float64", "known_at": "timestamp"}
SKIES = {"shop": "string", "event_date": "date", "rain": "int32"}

rows = st.lists(
    st.tuples(
        st.integers(0, DAYS - 1),
        st.sampled_from(["north", "south", None]),
        st.integers(-5, 5),
        st.sampled_from([None, 0.0, 1.0]),
    ),
    max_size=40,
)


def midnight(number: int) -> datetime:
    return datetime.combine(FIRST + timedelta(days=number), datetime.min.time())


def build() -> ibis.Table:
    events, labels, skies = (
        ibis.table(schema, name=name) for schema, name in ((EVENTS, "events"), (LABELS, "labels"), (SKIES, "skies"))
    )
    by = {"all": [], "shop": "shop", "pair": ["shop", "size"]}
    features = attach(
        events,
        trailing_rate(events, labels, by, [1, 3, 28], name="rate", smooth=2),
        trailing_mean(events, labels, {"shop": "shop"}, [4], name="mean", of=labels.label * labels["size"] / 7),
        trailing_count(events, events, by, [2, 7], name="seen"),
        daily_count(events, by, name="today"),
        daily_count(events, {"shop": "shop"}, days_ago=1, name="yesterday"),
        lookup(skies, "shop", {"rain_before": "rain"}, days_ago=1),
    )
    names = [name for name in features.columns if name not in EVENTS]
    return finish(features, ["shop", "size", *names]).order_by("row_id")


QUERY = str(ibis.to_sql(build(), dialect="duckdb"))


def tables(data: list[tuple[int, str | None, int, float | None]], maturity: int, now: int) -> dict[str, pa.Table]:
    """What is there when day `now` begins: its events, labels known by then, the skies of the days before."""
    keyed = [
        (number * 10**8 + place, FIRST + timedelta(days=number), *rest) for place, (number, *rest) in enumerate(data)
    ]
    events = [row for row in keyed if row[1] <= FIRST + timedelta(days=now)]
    labels = [
        (*row, midnight((row[1] - FIRST).days + 1 + maturity))
        for row in keyed
        if row[4] is not None and (row[1] - FIRST).days + 1 + maturity <= now
    ]
    skies = [
        (shop, FIRST + timedelta(days=number), number * 7 + len(shop))
        for number in range(min(now, DAYS))
        for shop in ("north", "south")
    ]
    return {
        "events": table([row[:4] for row in events], EVENTS),
        "labels": table(labels, LABELS),
        "skies": table(skies, SKIES),
    }


def table(data: list[tuple[object, ...]], schema: dict[str, str]) -> pa.Table:
    columns = list(zip(*data, strict=True)) or [[] for _ in schema]
    kinds = ibis.schema(schema).to_pyarrow()
    return pa.table([pa.array(list(values), kind.type) for values, kind in zip(columns, kinds, strict=True)], kinds)


def compute(found: dict[str, pa.Table]) -> pa.Table:
    with duckdb.connect() as connection:
        connection.execute("SET threads=2")
        for name, value in found.items():
            connection.register(name, value)
        return connection.sql(QUERY).to_arrow_table()


@settings(max_examples=40, deadline=None)
@given(rows, st.integers(0, 3), st.integers(0, DAYS - 1))
def test_removing_the_future_changes_nothing(data, maturity, day):
    now = compute(tables(data, maturity, DAYS + 5))
    then = compute(tables(data, maturity, day))
    ids = [row for row in now["row_id"].to_pylist() if row // 10**8 == day]
    of_day = [row for row in now.to_pylist() if row["row_id"] in ids]
    assert of_day == [row for row in then.to_pylist() if row["row_id"] in ids]
    assert now.num_rows == len(data), "one row for one row"


@settings(max_examples=40, deadline=None)
@given(rows, st.integers(0, 3))
def test_rates_and_counts_are_what_a_plain_loop_gives(data, maturity):
    found = {row["row_id"]: row for row in compute(tables(data, maturity, DAYS + 5)).to_pylist()}
    for place, (day, shop, _, _) in enumerate(data):
        row = found[day * 10**8 + place]
        usable = [label for d, s, _, label in data if s == shop and s and label is not None and d + 1 + maturity <= day]
        recent = [(s, label) for d, s, _, label in data if label is not None and day - 3 < d + 1 + maturity <= day]
        if not recent:
            assert row["rate_all_3d"] is None
        else:
            assert row["rate_all_3d"] == pytest.approx(sum(label for _, label in recent) / len(recent), abs=1e-6)
        if shop and usable:
            own = [label for s, label in recent if s == shop]
            if own:
                every = sum(label for _, label in recent) / len(recent)
                assert row["rate_shop_3d"] == pytest.approx((sum(own) + 2 * every) / (len(own) + 2), abs=1e-6)
        assert row["seen_all_2d"] == sum(day - 2 <= d < day for d, _, _, _ in data)
        if shop:
            assert row["today_shop"] == sum(d == day and s == shop for d, s, _, _ in data)
            assert row["yesterday_shop"] == sum(d == day - 1 and s == shop for d, s, _, _ in data)
            assert row["rain_before"] == ((day - 1) * 7 + len(shop) if day else None)

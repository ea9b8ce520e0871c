"""The helpers one by one: names, types, refusals, and SQL for Spark."""

from datetime import date

import duckdb
import ibis
import pytest

from pipelines.authoring.proofs import compile_for_spark
from pipelines.engines.local import connect
from pipelines.features import (
    add_calendar,
    attach,
    bucket,
    daily_count,
    day_number,
    finish,
    local_time,
    lookup,
    trailing_rate,
)

EVENTS = ibis.table({"row_id": "int64", "event_date": "date", "shop": "string", "hour": "int32"}, name="events")


def run(table: ibis.Table, *values: str) -> list[tuple]:
    with duckdb.connect() as connection:
        connection.execute(
            f"CREATE TABLE events AS SELECT * FROM (VALUES {', '.join(values)}) t(row_id, event_date, shop, hour)"  # noqa: S608
        )
        return connection.execute(str(ibis.to_sql(table, dialect="duckdb"))).fetchall()


def test_calendar_of_a_sunday():
    table = add_calendar(EVENTS)
    row = dict(zip(table.columns, run(table, "(0, DATE '2013-03-31', 'a', 5)")[0], strict=True))
    assert (row["day_of_week"], row["is_weekend"], row["day_of_month"], row["month"]) == (6, True, 31, 3)
    assert row["day_of_year"] == 90
    assert row["year_sin"] == pytest.approx(0.9998, abs=1e-3)


def test_calendar_part_that_is_not_there():
    with pytest.raises(ValueError, match="no calendar part 'moon'"):
        add_calendar(EVENTS, "moon")


@pytest.mark.parametrize("helper", [lambda: daily_count(EVENTS, {"shop": "shop"}, days_ago=-1),
                                    lambda: lookup(EVENTS, "shop", ["hour"], days_ago=-1)])  # fmt: skip
def test_looking_ahead_is_refused(helper):
    with pytest.raises(ValueError, match="future"):
        helper()


def test_bucket_and_day_number():
    table = EVENTS.select(part=bucket(EVENTS.hour, 3), day=day_number(EVENTS.event_date))
    values = "(0, DATE '1970-01-02', 'a', 5)", "(1, DATE '1969-12-31', 'a', -1)"
    assert run(table, *values) == [(3, 1), (-3, -1)]


def test_null_key_finds_nothing():
    rows = attach(EVENTS, daily_count(EVENTS, {"shop": "shop"}))
    found = run(
        rows.select("row_id", "count_shop").order_by("row_id"),
        *[f"({n}, DATE '2024-01-01', {s}, 1)" for n, s in enumerate(["'a'", "'a'", "NULL"])],
    )
    assert found == [(0, 2), (1, 2), (2, 0)]


def test_finish_says_when_it_was_known():
    table = finish(EVENTS, ["hour"])
    assert table.columns == ("row_id", "known_at", "hour")
    assert run(table, "(7, DATE '2024-01-05', 'a', 3)")[0][1].date() == date(2024, 1, 5)


def test_names_and_types():
    labels = ibis.table(dict(EVENTS.schema().items()) | {"label": "float64", "known_at": "timestamp"}, name="labels")
    found = trailing_rate(EVENTS, labels, {"shop": "shop", "all": []}, [7, 28], name="late", smooth=5)
    assert [part.columns for part in found] == [["late_shop_7d", "late_shop_28d"], ["late_all_7d", "late_all_28d"]]
    assert {str(part.table[name].type()) for part in found for name in part.columns} == {"float32"}


def test_everything_compiles_for_spark():
    labels = ibis.table(dict(EVENTS.schema().items()) | {"label": "float64", "known_at": "timestamp"}, name="labels")
    rows = attach(add_calendar(EVENTS), trailing_rate(EVENTS, labels, {"shop": "shop"}, [7], smooth=3))
    text = compile_for_spark(finish(rows, ["rate_shop_7d", "day_of_week"]))
    assert "RANGE BETWEEN 6 PRECEDING AND CURRENT ROW" in text
    assert "ASOF" not in text.upper()


@pytest.mark.parametrize(
    ("zone", "shown"),
    [
        ("America/New_York", "2024-03-10 03:30:00"),
        ("Asia/Kolkata", "2024-03-10 13:00:00"),
        ("UTC", "2024-03-10 07:30:00"),
    ],
)
def test_local_time_is_what_the_clocks_show(tmp_path, zone, shown):
    table = ibis.table({"at": "timestamp"}, name="moments")
    query = table.select(shown=local_time(table.at, zone))
    with connect(tmp_path / "scratch") as connection:
        connection.execute("CREATE TABLE moments AS SELECT TIMESTAMP '2024-03-10 07:30:00' AS at")
        assert str(connection.sql(str(ibis.to_sql(query, dialect="duckdb"))).fetchall()[0][0]) == shown
    assert "FROM_UTC_TIMESTAMP" in compile_for_spark(query)


def test_attach_never_replaces_a_column_of_the_table():
    with pytest.raises(ValueError, match="_day"):
        attach(EVENTS.mutate(_day=1), [])

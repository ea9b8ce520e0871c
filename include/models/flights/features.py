"""Features of a flight out of New York, as known at the midnight before it: schedule, plane, weather, recent lateness.

The day's schedule is published, so its flights may be counted; who was late is known two days back at the nearest.
"""

from datetime import date

import ibis
from ibis import Table

from pipelines.features import add_calendar, attach, bucket, daily_count, finish, lookup, trailing_rate

SCHEDULE = ["day_of_week", "is_weekend", "day_of_month", "day_part", "dep_minute", "arr_minute"]
FLIGHT = ["carrier", "origin", "dest", "route", "distance"]
PLANE = ["plane_age", "seats", "engines", "engine", "manufacturer"]
HOUR_NOW = ["temp", "dewp", "humid", "wind_dir", "wind_speed", "wind_gust", "precip", "pressure", "visib"]
HOURS_AROUND = ["rain_before", "rain_after", "murky_hours", "pressure_change", "day_rain", "day_wind"]

# Late rates: of everything, then by what tends to matter. Groups with few flights lean on the rate of all flights.
LATE_BY = {
    "all": [],
    "carrier": "carrier",
    "origin": "origin",
    "dest": "dest",
    "route": ["origin", "dest"],
    "hour": ["origin", "day_part"],
}
LATE_DAYS = [7, 28]
BUSY = {
    "origin": "origin",
    "origin_hour": ["origin", "hour"],
    "carrier_hour": ["origin", "carrier", "hour"],
    "dest_hour": ["dest", "hour"],
}
YESTERDAY = {"origin": "origin", "carrier": "carrier"}


def build(tables: dict[str, Table], as_of: date) -> Table:
    """One row a flight: `row_id`, `known_at` and the 49 features."""
    flights, labels = with_day_part(tables["flights"]), with_day_part(tables["labels"])
    rows = attach(
        add_calendar(flights, "day_of_week", "is_weekend", "day_of_month"),
        lookup(tables["planes"], "tailnum", {"built": "year"} | {name: name for name in PLANE[1:]}),
        lookup(weather(tables["weather"]), ["origin", "time_hour"], HOUR_NOW + HOURS_AROUND),
        trailing_rate(flights, labels, LATE_BY, LATE_DAYS, name="late", smooth=20),
        daily_count(flights, BUSY, name="scheduled"),
        daily_count(flights, YESTERDAY, days_ago=1, name="yesterday"),
    )
    rows = rows.mutate(
        dep_minute=minute_of_day(rows.sched_dep_time),
        arr_minute=minute_of_day(rows.sched_arr_time),
        route=rows.origin + "-" + rows.dest,
        plane_age=(rows.event_date.year() - rows.built).cast("int16"),
    )
    late = [f"late_{group}_{days}d" for group in LATE_BY for days in LATE_DAYS]
    counts = [f"scheduled_{group}" for group in BUSY] + [f"yesterday_{group}" for group in YESTERDAY]
    return finish(rows, [*SCHEDULE, *FLIGHT, *PLANE, *HOUR_NOW, *HOURS_AROUND, *late, *counts])


def with_day_part(flights: Table) -> Table:
    """Adds the three-hour part of the day in which departure is scheduled: lateness grows from morning to night."""
    return flights.mutate(day_part=bucket(flights.hour, 3))


def minute_of_day(clock: ibis.Value) -> ibis.Value:
    """515, which stands for 5:15, as 315."""
    return (clock // 100 * 60 + clock % 100).cast("int16")


def weather(hourly: Table) -> Table:
    """Each hour at each airport with the hours around it, none of them after its own day: that day is the forecast.

    Rain is summed in hundredths of an inch and pressure compared in tenths of a millibar, as integers, so that the
    order of rows cannot matter.
    """
    hourly = hourly.mutate(
        at=(hourly.time_hour.epoch_seconds() // 3600).cast("int64"),
        rain=(hourly.precip * 100).round().cast("int64"),
        murky=(hourly.visib < 3).cast("int64"),
        tenths=(hourly.pressure * 10).round().cast("int64"),
    )
    day = ibis.window(group_by=["origin", "event_date"])
    before = ibis.range_window(preceding=3, following=0, group_by=["origin"], order_by="at")
    after = ibis.range_window(preceding=0, following=3, group_by=["origin", "event_date"], order_by="at")
    around = ibis.range_window(preceding=6, following=3, group_by=["origin", "event_date"], order_by="at")
    return hourly.mutate(
        rain_before=hourly.rain.sum().over(before).cast("int32"),
        rain_after=hourly.rain.sum().over(after).cast("int32"),
        murky_hours=hourly.murky.sum().over(around).cast("int32"),
        pressure_change=(hourly.tenths - hourly.tenths.max().over(before)).cast("int32"),
        day_rain=hourly.rain.sum().over(day).cast("int32"),
        day_wind=hourly.wind_speed.max().over(day),
    )

"""Flights: what is known of a day's flights when the day begins."""

from datetime import date

import ibis
from ibis import Table, _

from pipelines.features import add_calendar, attach, bucket, daily_count, finish, lookup, trailing_rate

GROUPS = {
    "all": [],
    "carrier": "carrier",
    "origin": "origin",
    "dest": "dest",
    "route": ["origin", "dest", "carrier"],
    "hour": ["origin", "part_of_day"],
    "flight": ["carrier", "flight"],
}


def build(tables: dict[str, Table], as_of: date) -> Table:
    """One row for each flight: its schedule, its plane, its weather, and how late flights like it were lately."""
    flights, labels = with_keys(tables["flights"]), with_keys(tables["labels"])
    rows = attach(
        add_calendar(flights, "day_of_week", "is_weekend", "day_of_month"),
        lookup(planes(tables["planes"]), "tailnum", ["plane_year", "seats", "engines", "engine_type", "manufacturer"]),
        lookup(weather(tables["weather"]), ["origin", "time_hour"], WEATHER),
        trailing_rate(flights, labels, GROUPS, days=[7, 28], name="late", smooth=20),
        daily_count(
            flights,
            {
                "origin_hour": ["origin", "hour"],
                "origin_carrier_hour": ["origin", "carrier", "hour"],
                "origin": "origin",
                "dest_hour": ["dest", "hour"],
            },
            name="scheduled",
        ),
        daily_count(flights, {"origin": "origin", "carrier": "carrier"}, days_ago=1, name="yesterday"),
    )
    rows = rows.mutate(
        plane_age=rows.event_date.year() - rows.plane_year,
        minutes=(rows.sched_dep_time // 100 * 60 + rows.sched_dep_time % 100).cast("int16"),
        arr_minutes=(rows.sched_arr_time // 100 * 60 + rows.sched_arr_time % 100).cast("int16"),
        route=rows.origin + "-" + rows.dest,
    )
    return finish(rows, FEATURES)


def with_keys(flights: Table) -> Table:
    """Flights with the keys that trailing rates go by."""
    return flights.mutate(part_of_day=bucket(flights.hour, 3))


def planes(table: Table) -> Table:
    return table.select("tailnum", "seats", "engines", "manufacturer", plane_year="year", engine_type="engine")


WEATHER = [
    "temp",
    "dewp",
    "humid",
    "wind_speed",
    "wind_gust",
    "wind_dir",
    "precip",
    "pressure",
    "visib",
    "rain_before",
    "rain_after",
    "pressure_change",
    "low_visib",
    "day_rain",
    "day_wind",
]


def weather(table: Table) -> Table:
    """The hourly weather with what its neighbouring hours say; sums over integers, as they must not depend on order."""
    hour = (table.time_hour.epoch_seconds() // 3600).cast("int64")
    t = table.mutate(
        _hour=hour,
        _rain=(table.precip * 100).round().cast("int64"),
        _p=(table.pressure * 10).round().cast("int64"),
        _v=(table.visib < 3).cast("int64"),
        _w=table.wind_speed.round().cast("int64"),
    )

    def around(a, b):
        return ibis.range_window(preceding=a, following=b, group_by=["origin", "event_date"], order_by="_hour")

    day = ibis.window(group_by=["origin", "event_date"])
    before = ibis.range_window(preceding=3, following=0, group_by=["origin"], order_by="_hour")
    return t.mutate(
        rain_before=t._rain.sum().over(before).cast("int32"),
        rain_after=t._rain.sum().over(around(0, 3)).cast("int32"),
        low_visib=t._v.sum().over(around(6, 3)).cast("int32"),
        pressure_change=(t._p - t._p.max().over(before)).cast("int32"),
        day_rain=t._rain.sum().over(day).cast("int32"),
        day_wind=t._w.max().over(day).cast("int32"),
    )


FEATURES = [
    "day_of_week",
    "is_weekend",
    "day_of_month",
    "minutes",
    "arr_minutes",
    "carrier",
    "origin",
    "dest",
    "route",
    "distance",
    "plane_age",
    "seats",
    "engines",
    "engine_type",
    "manufacturer",
    *WEATHER,
    *[f"late_{g}_{d}d" for g in GROUPS for d in (7, 28)],
    "scheduled_origin_hour",
    "scheduled_origin_carrier_hour",
    "scheduled_origin",
    "scheduled_dest_hour",
    "yesterday_origin",
    "yesterday_carrier",
]

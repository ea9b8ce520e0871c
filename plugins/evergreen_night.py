"""The night: which day it is for, how long it waits for what has not come, and what each of its steps is asked."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import UTC, date, datetime, time, timedelta
from typing import TYPE_CHECKING, Any
from zoneinfo import ZoneInfo

from airflow.sdk import CronDataIntervalTimetable
from evergreen_calls import CallOf, params_of
from evergreen_tasks import Call, limit

from pipelines.config import names
from pipelines.config.model import Model

if TYPE_CHECKING:
    from airflow.sdk import Context

NIGHT_KEYS = ("day",)
# A night that waits looks again after half of what it has waited: soon at first, then ever more rarely.
SOON, RARELY = timedelta(seconds=15), timedelta(minutes=10)


@dataclass(frozen=True)
class Night:
    """One night. It takes in `day`, and waits for partitions that are missing until `until`."""

    day: date
    backfill: bool
    until: datetime
    link: str

    def params(self, **more: Any) -> dict[str, Any]:
        """What every step of the night is told."""
        return {"day": self.day.isoformat(), "backfill": self.backfill, "link": self.link, **more}


def timetable(model: Model) -> CronDataIntervalTimetable:
    """One run a day, whose interval begins on the day that it takes in.

    Airflow cuts intervals by the clock on the wall, so that the nights on which it is set still take each day once.
    """
    return CronDataIntervalTimetable(model.schedule.cron, timezone=model.schedule.time_zone)


def span(model: Model) -> dict[str, Any]:
    """For the night's DAG: its first and last day, whether it catches up, and how long one may take."""
    zone, end = ZoneInfo(model.schedule.time_zone), model.schedule.end
    return {
        "start_date": datetime.combine(model.schedule.start, time.min, zone),
        "end_date": end and datetime.combine(end, time.max, zone),
        "catchup": model.schedule.catchup,
        # Its work, after all the waiting.
        "dagrun_timeout": limit(model) + timedelta(hours=model.schedule.wait_hours),
    }


def night_of(context: Context, model: Model) -> Night:
    """The night that the DAG run at hand is for: the same for each of its tasks and tries.

    By hand without a day it is the newest one that has ended, or the schedule's last.
    """
    run, zone = context["dag_run"], ZoneInfo(model.schedule.time_zone)
    asked = params_of(context, NIGHT_KEYS)["day"]
    planned = run.run_type in ("scheduled", "backfill") and run.data_interval_start is not None
    if asked:
        day = names.day(str(asked), where="day")
    elif planned:
        day = run.data_interval_start.astimezone(zone).date()
    else:
        yesterday = run.run_after.astimezone(zone).date() - timedelta(days=1)
        day = min(yesterday, model.schedule.end or yesterday)
    due = run.data_interval_end if planned else datetime.combine(day + timedelta(days=1), time.min, zone)
    return Night(
        day=day,
        backfill=run.run_type == "backfill",
        until=due.astimezone(UTC) + timedelta(hours=model.schedule.wait_hours),
        link=context["ti"].log_url,
    )


def ingest(model: Model) -> CallOf:
    """Take the day in, and what came late before it; while something of the day is missing, look again later."""

    def call(context: Context) -> Call:
        night, now = night_of(context, model), datetime.now(UTC)
        # Airflow's clock may be ahead of the data's: a night of long ago waits for nothing.
        last = now >= night.until
        waited = now - (context["dag_run"].start_date or now)
        pause = min(max(waited / 2, SOON), RARELY)

        def again(summary: Mapping[str, Any]) -> datetime | None:
            return min(datetime.now(UTC) + pause, night.until) if summary.get("missing") and not last else None

        return Call(params=night.params(night=True, last=last), again=again)

    return call


def step(model: Model) -> CallOf:
    """Score, monitor or decide the night's day."""

    def call(context: Context) -> Call:
        return Call(params=night_of(context, model).params())

    return call

"""Asks the night plugin about nights: cases as JSON on stdin, what it says as JSON on stdout. See drive.py."""

from __future__ import annotations

import json
import sys
from datetime import date, datetime, timedelta
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import evergreen_night
import pendulum
from airflow.sdk.exceptions import TaskDeferred
from airflow.timetables.base import TimeRestriction
from airflow.timetables.interval import CronDataIntervalTimetable
from evergreen_process import ProcessRuntime
from evergreen_tasks import stage_task

from pipelines.config import settings as configuration
from pipelines.config.load import load_model
from pipelines.config.model import Model


def moment(text: str | None) -> datetime | None:
    return datetime.fromisoformat(text) if text else None


def model_with(**schedule: Any) -> Model:
    model = load_model(configuration.load().models / "tiny")
    return model.model_copy(update={"schedule": model.schedule.model_copy(update=schedule)})


def night(case: dict[str, Any]) -> dict[str, Any]:
    """The night of a DAG run."""
    found = evergreen_night.night_of(context(case), model_with(**schedule(case)))
    return {"day": str(found.day), "backfill": found.backfill, "until": found.until.isoformat(), "link": found.link}


def context(case: dict[str, Any]) -> dict[str, Any]:
    run = SimpleNamespace(
        dag_id="tiny__nightly",
        run_id=case.get("run_id", "r"),
        run_type=case.get("run_type", "manual"),
        start_date=moment(case.get("began")),
        run_after=moment(case.get("run_after", "2026-01-02T03:04:05+00:00")),
        data_interval_start=moment(case.get("start")),
        data_interval_end=moment(case.get("end")),
    )
    ti = SimpleNamespace(log_url="http://airflow/log", try_number=1)
    return {"dag_run": run, "ti": ti, "params": case.get("params", {"day": None}), "outlet_events": {}}


def schedule(case: dict[str, Any]) -> dict[str, Any]:
    said = dict(case.get("schedule", {}))
    return said | {key: date.fromisoformat(said[key]) for key in ("start", "end") if key in said}


def year(case: dict[str, Any]) -> list[str]:
    """The day of every night that Airflow's scheduler would make between two dates, in order."""
    model = model_with(**schedule(case))
    zone = pendulum.timezone(model.schedule.time_zone)
    timetable = CronDataIntervalTimetable(model.schedule.cron, zone)
    span = evergreen_night.span(model)
    # As the scheduler does: dates in UTC.
    first, last = (pendulum.instance(span[key]).in_timezone("UTC") for key in ("start_date", "end_date"))
    restriction = TimeRestriction(earliest=first, latest=last, catchup=True)
    days, info = [], None
    while info := timetable.next_dagrun_info(
        last_automated_data_interval=info and info.data_interval, restriction=restriction
    ):
        start, end = info.data_interval.start.isoformat(), info.data_interval.end.isoformat()
        run = {"run_type": "scheduled", "start": start, "end": end, "schedule": case["schedule"]}
        days.append(night(run)["day"])
        assert moment(end) - moment(start) < timedelta(hours=26)
    return days


def ingest(case: dict[str, Any]) -> dict[str, Any]:
    """What becomes of a night's ingest that reports missing partitions."""
    model = model_with(**schedule(case))
    task = stage_task("tiny", model, "ingest", evergreen_night.ingest(model))
    task.runtime = ProcessRuntime(Path(case["executable"]))
    run = context(case)
    try:
        found = {"returned": task.resume(run, None) if case.get("again") else task.execute(run)}
    except TaskDeferred as deferred:
        found = {"method": deferred.method_name, "moment": deferred.trigger.moment.isoformat()}
    return found


if __name__ == "__main__":
    kinds = {"night": night, "year": year, "ingest": ingest}
    sys.stdout.write("\nTOLD " + json.dumps([kinds[case["kind"]](case) for case in json.load(sys.stdin)]) + "\n")

"""The retrain DAG of a real Airflow, from trigger to champion, on the embedded services in a throw-away home."""

from __future__ import annotations

import socket
import subprocess
import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from benchmarks.homes import MODEL, Place, demo_lake
from benchmarks.report import Result, Target
from benchmarks.timing import timed
from benchmarks.versus import START
from pipelines.config.settings import Settings, child_environment
from pipelines.demo.airflow_api import FINISHED, Airflow

LIMIT_SECONDS = 600.0
POLL_SECONDS = 0.2


@dataclass(frozen=True)
class Trip:
    """One retraining through Airflow: seconds from trigger to champion (None: refused), and seconds by task."""

    as_of: str
    seconds: float | None
    finished: float
    tasks: dict[str, float]


def dag(work: Path, as_of: str, last: str) -> Result:
    """Two retrainings as the demo has them: a first champion, then one that is judged against it."""
    place = Place(work / "real", demo_lake(work))
    place.copy_model()
    place.ingest(START, last)
    place.fresh()
    ports = {"EVERGREEN_AIRFLOW_PORT": _free_port(), "EVERGREEN_MLFLOW_PORT": _free_port()}
    settings = place.settings(**ports)
    with _services(place, settings) as (airflow, up):
        trips = [_trip(airflow, settings, day) for day in dict.fromkeys((as_of, last))]
    whats = ("retrain DAG, trigger to", "the same, judged against a champion, to")
    targets = [_target(what, trip) for what, trip in zip(whats, trips, strict=False)]
    notes = [f"Services up in {up:.0f} s. " + " ".join(_sentence(trip) for trip in trips)]
    times = {f"tasks as of {trip.as_of}": trip.tasks for trip in trips}
    return Result("dag", targets, times, notes, {"trips": [vars(trip) for trip in trips]})


@contextmanager
def _services(place: Place, settings: Settings) -> Iterator[tuple[Airflow, float]]:
    """Airflow and MLflow up for the length of the block; also how long they took to start."""
    from pipelines.services import airflow_config
    from pipelines.services.components import airflow_address, script

    env, log = child_environment(settings), place.root / "services.log"
    began = time.monotonic()
    try:
        timed([script("evergreen"), "up"], env, log)
        up = time.monotonic() - began
        print(f"  services up in {up:.0f} s", flush=True)
        login = airflow_config.read_login(settings)
        airflow = Airflow(airflow_address(settings), login.user, login.password)
        _until(lambda: airflow.knows(f"{MODEL}__retrain") and airflow.knows(f"{MODEL}__promote"), "the DAGs")
        yield airflow, up
    finally:
        timed([script("evergreen"), "down"], env, place.root / "down.log")


def _trip(airflow: Airflow, settings: Settings, as_of: str) -> Trip:
    dag_id, run = f"{MODEL}__retrain", f"bench-{as_of}"
    before, began = _champion(settings), time.monotonic()
    airflow.trigger(dag_id, run, {"as_of": as_of})
    _until(lambda: airflow.state(dag_id, run) in FINISHED, f"{dag_id} {run}")
    finished = time.monotonic() - began
    tasks = {task.name: task.seconds or 0.0 for task in airflow.tasks(dag_id, run)}
    if airflow.state(dag_id, run) == "failed":
        raise SystemExit(f"{dag_id} {run} failed; see the logs below {settings.home / 'airflow' / 'logs'}")
    seconds = None
    if airflow.announced(dag_id, run):
        # The champion may be there before we look: polling costs at most its own interval.
        _until(lambda: _champion(settings) != before, "the champion")
        seconds = time.monotonic() - began
        tasks["promote and between tasks"] = seconds - sum(tasks.values())
    print(f"  as of {as_of}: {f'champion after {seconds:.1f} s' if seconds else 'refused'}", flush=True)
    return Trip(as_of, seconds, finished, tasks)


def _champion(settings: Settings) -> str:
    """The commit of the ledger's branch `champion`, empty without one."""
    argv = ["git", "--git-dir", f"{settings.ledgers}/{MODEL}.git", "rev-parse", "--verify", "--quiet", "champion"]
    return subprocess.run(argv, capture_output=True, text=True, check=False).stdout.strip()


def _until(there: Any, what: str) -> None:
    began = time.monotonic()
    while not there():
        if time.monotonic() - began > LIMIT_SECONDS:
            raise SystemExit(f"{what}: not there after {LIMIT_SECONDS:.0f} s")
        time.sleep(POLL_SECONDS)


def _target(what: str, trip: Trip) -> Target:
    end, seconds = ("refusal", trip.finished) if trip.seconds is None else ("champion", trip.seconds)
    return Target(f"{what} {end}", seconds, 60, "s")


def _sentence(trip: Trip) -> str:
    told = f"champion after {trip.seconds:.1f} s" if trip.seconds else "refused by its gates"
    return f"As of {trip.as_of}: DAG done after {trip.finished:.1f} s, {told}."


def _free_port() -> str:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return str(probe.getsockname()[1])

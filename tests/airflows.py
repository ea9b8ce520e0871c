"""A real Airflow and a real MLflow on loopback, one of each for all processes of a session that need the scheduler."""

from __future__ import annotations

import fcntl
import pickle
import socket
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any, TextIO

import psutil
import pytest
import stories

from pipelines import services
from pipelines.config import settings as configuration
from pipelines.config.settings import Settings
from pipelines.demo.airflow_api import FINISHED, Airflow
from pipelines.ledger import Ledger
from pipelines.services import airflow_config, components, processes


def free_port() -> int:
    """A port that nobody listens on now."""
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        port: int = probe.getsockname()[1]
        return port


def settings_in(folder: Path, **more: str) -> Settings:
    """Settings of embedded services that keep everything below `folder`, on ports of their own."""
    return configuration.load(
        {
            "EVERGREEN_HOME": str(folder / "home"),
            "EVERGREEN_MODELS": str(folder / "models"),
            "EVERGREEN_AIRFLOW_PORT": str(free_port()),
            "EVERGREEN_MLFLOW_PORT": str(free_port()),
            **more,
        }
    )


def client(settings: Settings) -> Airflow:
    """The embedded Airflow, spoken to as its own user."""
    login = airflow_config.read_login(settings)
    return Airflow(components.airflow_address(settings), login.user, login.password)


@contextmanager
def shared(factory: pytest.TempPathFactory, *, alone: bool = False) -> Iterator[Settings]:
    """The settings of services that run while anybody is in this block: an idle Airflow takes a third of a processor.

    Whoever shares them has models, and a place in the lake, of its own. `alone` waits until nobody else is there, and
    lets nobody in: for who kills what others need. The last to go stops them.
    """
    folder = stories.common(factory)
    with (folder / "services.guests").open("w") as guests:
        fcntl.flock(guests, fcntl.LOCK_EX if alone else fcntl.LOCK_SH)
        settings = _started(folder)
        try:
            yield settings
        finally:
            if _last(guests):
                services.down(settings, lambda _: None)


def _started(folder: Path) -> Settings:
    said = folder / "services.pickle"
    with (folder / "services.door").open("w") as door:
        fcntl.flock(door, fcntl.LOCK_EX)
        if not said.exists():
            said.write_bytes(pickle.dumps(settings_in(folder / "services")))
        settings: Settings = pickle.loads(said.read_bytes())
        services.up(settings, lambda _: None)
        return settings


def _last(guests: TextIO) -> bool:
    try:
        fcntl.flock(guests, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except BlockingIOError:
        return False
    return True


def wait(condition: Any, seconds: float = 600, told: Any = lambda: "", poll: float = 0.4) -> Any:
    """What `condition` says as soon as it says anything; `told` says how things stand when it never does."""
    deadline = time.monotonic() + seconds
    while not (found := condition()):
        assert time.monotonic() < deadline, f"it never came {told()}".rstrip()
        time.sleep(poll)
    return found


def ended(airflow: Airflow, dag: str, run: str) -> str:
    """How a DAG run has ended; looked at once a second, for every answer is work for Airflow."""
    tasks = lambda: {task.name: task.state for task in airflow.tasks(dag, run)}  # noqa: E731 - asked for a failure alone
    state: str = wait(lambda: (now := airflow.state(dag, run)) in FINISHED and now, told=tasks, poll=1)
    return state


def fetched(settings: Settings, model: str) -> Ledger:
    """The model's ledger as it is now."""
    ledger = Ledger.open(settings, model)
    ledger.fetch()
    return ledger


def stage_process(settings: Settings, model: str, stage: str) -> psutil.Process | None:
    """The process that runs a stage of a model below the services, once there is one."""
    for process in processes.tree(processes.load(settings.home / "services.json").values()):
        try:
            line = process.cmdline()
        except psutil.NoSuchProcess:
            continue
        if {"stage", stage, model} <= set(line):
            return process
    return None

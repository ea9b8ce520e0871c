"""A real Airflow and a real MLflow on loopback, for the tests that need the scheduler."""

from __future__ import annotations

import socket
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from pipelines import services
from pipelines.config import settings as configuration
from pipelines.config.settings import Settings
from pipelines.demo.airflow_api import FINISHED, Airflow
from pipelines.ledger import Ledger
from pipelines.services import airflow_config, components


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
def running(settings: Settings) -> Iterator[Airflow]:
    """The embedded services, up for the block."""
    try:
        services.up(settings, lambda _: None)
        yield client(settings)
    finally:
        services.down(settings, lambda _: None)


def wait(condition: Any, seconds: float = 600, told: Any = lambda: "") -> Any:
    """What `condition` says as soon as it says anything; `told` says how things stand when it never does."""
    deadline = time.monotonic() + seconds
    while not (found := condition()):
        assert time.monotonic() < deadline, f"it never came {told()}".rstrip()
        time.sleep(0.3)
    return found


def ended(airflow: Airflow, dag: str, run: str) -> str:
    """How a DAG run has ended."""
    tasks = lambda: {task.name: task.state for task in airflow.tasks(dag, run)}  # noqa: E731 - asked for a failure alone
    state: str = wait(lambda: (now := airflow.state(dag, run)) in FINISHED and now, told=tasks)
    return state


def fetched(settings: Settings, model: str) -> Ledger:
    """The model's ledger as it is now."""
    ledger = Ledger.open(settings, model)
    ledger.fetch()
    return ledger

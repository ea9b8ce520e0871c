"""Every secret that the stack was started with is a canary: it may be in no place that people or models can read."""

from __future__ import annotations

import base64
from collections.abc import Callable
from multiprocessing.pool import ThreadPool
from urllib.parse import quote

import pytest
from stack.machine import probes
from stack.machine.live import Live
from stack.machine.place import attempt
from stack.machine.stack import Stack


def logs_of_tasks(stack: Stack, live: Live) -> str:
    """As the API tells them of this run, and as they lie on the volume: of every DAG, promotions too."""
    files = ("find", "/var/log/airflow", "-type", "f", "-exec", "cat", "{}", "+")
    return stack.airflow.logs(live.dag, live.run) + stack.compose.exec("airflow-scheduler", *files)


def logs_of_containers(stack: Stack, live: Live) -> str:
    found = [attempt("docker", "logs", item.id, env=stack.docker.environment) for item in stack.compose.containers()]
    return "\n".join(done.stdout + done.stderr for done in found)


def what_airflow_tells(stack: Stack, live: Live) -> str:
    return stack.airflow.everything(live.dag, live.run)


def airflows_database(stack: Stack, live: Live) -> str:
    return stack.machine.postgres.dump("airflow")


def mlflows_database(stack: Stack, live: Live) -> str:
    return stack.machine.postgres.dump("mlflow")


def mlflows_artifacts(stack: Stack, live: Live) -> str:
    return objects(stack, "evergreen-mlflow")


def bytes_of_the_store(stack: Stack, live: Live) -> str:
    return objects(stack, "evergreen-store")


def commits_of_the_ledger(stack: Stack, live: Live) -> str:
    return probes.history(stack.compose, live.model)


PLACES: list[tuple[Callable[[Stack, Live], str], str]] = [
    (logs_of_tasks, "slow__promote"),
    (logs_of_containers, "airflow"),
    (what_airflow_tells, "snapshot"),
    (airflows_database, "slow__retrain"),
    (mlflows_database, "slow"),
    (mlflows_artifacts, "booster"),
    (bytes_of_the_store, "PAR1"),
    (commits_of_the_ledger, "dvc.lock"),
]


@pytest.mark.parametrize(("place", "control"), PLACES, ids=lambda value: getattr(value, "__name__", ""))
def test_no_secret_is_in(stack: Stack, live: Live, place: Callable[[Stack, Live], str], control: str) -> None:
    text = place(stack, live)
    assert control in text, "the search looks in the wrong place"
    assert leaks(stack, text) == []


def test_no_secret_is_in_what_docker_shows_of_a_live_task(stack: Stack, live: Live) -> None:
    assert live.container.name in live.inspected
    assert leaks(stack, live.inspected) == []


def leaks(stack: Stack, text: str) -> list[str]:
    """The names of the secrets that are in `text`, as they are or in the usual disguises."""
    found = []
    for name, value in stack.secrets.items():
        plain = value.encode()
        disguises = {value, quote(value, safe=""), base64.b64encode(plain).decode().rstrip("="), plain.hex()}
        if any(disguise in text for disguise in disguises):
            found.append(name)
    return found


def objects(stack: Stack, bucket: str) -> str:
    s3 = stack.machine.s3()
    with ThreadPool(8) as pool:
        read: Callable[[str], bytes] = lambda key: s3.get_object(Bucket=bucket, Key=key)["Body"].read()  # noqa: E731
        return b"\n".join(pool.map(read, probes.keys(stack.machine, bucket))).decode("latin-1")

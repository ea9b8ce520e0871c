"""Every secret that the stack was started with is a canary: it may be in no place that people or models can read."""

from __future__ import annotations

import base64
from collections.abc import Callable
from urllib.parse import quote

import pytest
from stack.machine import probes
from stack.machine.compose import Container
from stack.machine.place import attempt, command
from stack.machine.stack import Stack

MODEL = "slow"
DAG = f"{MODEL}__retrain"


@pytest.fixture(scope="module")
def live(stack: Stack) -> Container:
    """A run of the slow model that is in the middle of training; it is seen through when the search is over.

    As of the last day: what is older than the champion, here that of the tests before, is refused.
    """
    stack.ready(MODEL)
    stack.airflow.ready(DAG)
    stack.airflow.trigger(DAG, "searched", {"as_of": str(stack.models.last)})
    return stack.training(MODEL)


@pytest.fixture(scope="module")
def inspected(stack: Stack, live: Container) -> str:
    """`docker inspect` of every container while a stage runs, and the command lines of all their processes."""
    told = [stack.docker.docker("inspect", *[item.id for item in probes.inspected(stack.docker)])]
    return "\n".join([*told, command("ps", "-eo", "args")])


@pytest.fixture(scope="module")
def ended(stack: Stack, inspected: str) -> Stack:
    """The run at its end, so that its logs, its MLflow run and its commits are there to be searched."""
    assert stack.airflow.ended(DAG, "searched") == "success", stack.airflow.failure(DAG, "searched")
    stack.promoted(MODEL, "searched")
    return stack


def logs_of_tasks(stack: Stack) -> str:
    return stack.airflow.logs(DAG, "searched") + stack.airflow.logs(f"{MODEL}__ingest", "all")


def logs_of_containers(stack: Stack) -> str:
    found = [attempt("docker", "logs", item.id, env=stack.docker.environment) for item in stack.compose.containers()]
    return "\n".join(done.stdout + done.stderr for done in found)


def what_airflow_tells(stack: Stack) -> str:
    return stack.airflow.everything(DAG, "searched")


def airflows_database(stack: Stack) -> str:
    return stack.machine.postgres.dump("airflow")


def mlflows_database(stack: Stack) -> str:
    return stack.machine.postgres.dump("mlflow")


def mlflows_artifacts(stack: Stack) -> str:
    return objects(stack, "evergreen-mlflow")


def bytes_of_the_store(stack: Stack) -> str:
    return objects(stack, "evergreen-store")


def commits_of_the_ledger(stack: Stack) -> str:
    return probes.history(stack.compose, MODEL)


PLACES: list[tuple[Callable[[Stack], str], str]] = [
    (logs_of_tasks, "train"),
    (logs_of_containers, "airflow"),
    (what_airflow_tells, "snapshot"),
    (airflows_database, "searched"),
    (mlflows_database, MODEL),
    (mlflows_artifacts, "booster"),
    (bytes_of_the_store, "PAR1"),
    (commits_of_the_ledger, "dvc.lock"),
]


@pytest.mark.parametrize(("place", "control"), PLACES, ids=lambda value: getattr(value, "__name__", ""))
def test_no_secret_is_in(ended: Stack, place: Callable[[Stack], str], control: str) -> None:
    text = place(ended)
    assert control in text, "the search looks in the wrong place"
    assert leaks(ended, text) == []


def test_no_secret_is_in_what_docker_shows_of_a_live_task(stack: Stack, live: Container, inspected: str) -> None:
    assert live.name in inspected
    assert leaks(stack, inspected) == []


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
    bodies = [s3.get_object(Bucket=bucket, Key=key)["Body"].read() for key in probes.keys(stack.machine, bucket)]
    return b"\n".join(bodies).decode("latin-1")

"""The whole stack as a test sees it: the machine, the compose project on it, and Airflow to ask for runs."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from datetime import date, datetime
from multiprocessing.pool import ThreadPool
from threading import Lock
from typing import Any

from stack.machine import images
from stack.machine.airflow_client import Client
from stack.machine.compose import Compose, Container, impatient, stand_in, tasks, written
from stack.machine.dockerd import Dockerd
from stack.machine.models import VARIANTS, Models
from stack.machine.models import files as lake_files
from stack.machine.place import GATEWAY, free_port, timed, wait_for
from stack.machine.session import Machine

from pipelines.config import settings as configuration

PROJECT, LAKE = "evergreen-test", "evergreen-lake"


@dataclass(frozen=True)
class Retrained:
    """A retraining that ended with a promotion: the ledger's run id, when it was asked for, and each task's span."""

    run: str
    asked: datetime
    ended: datetime
    spans: dict[str, tuple[datetime, datetime]]

    @property
    def seconds(self) -> float:
        """From trigger to champion."""
        return (self.ended - self.asked).total_seconds()


# What of the stages' volume is only a copy.
COPIES = ("cache", "workspaces", "mirrors", "dvc", "results")


@dataclass
class Stack:
    """What the stories drive."""

    machine: Machine
    compose: Compose
    airflow: Client
    models: Models
    _ingested: set[str] = field(default_factory=set)
    _asked: bool = False
    _lock: Lock = field(default_factory=Lock)

    @property
    def mlflow(self) -> str:
        """MLflow's published address."""
        return f"http://127.0.0.1:{self.compose.variables['EVERGREEN_MLFLOW_PORT']}"

    @property
    def docker(self) -> Dockerd:
        """The engine."""
        return self.machine.docker

    @property
    def secrets(self) -> dict[str, str]:
        """Every secret that the stack was started with, by name."""
        return self.machine.secrets

    def ingest(self, model: str, first: date, last: date) -> None:
        """Take in days through the model's DAG, once a session."""
        if model in self._ingested:
            return
        self.airflow.ready(f"{model}__ingest")
        self.airflow.succeeds(f"{model}__ingest", "all", _span(first, last))
        self._ingested.add(model)

    def ready(self, model: str) -> None:
        """One of the small models with all its days; whoever asks first has the days of all of them taken in."""
        first, last = self.models.day(0), self.models.last
        with self._lock:
            if not self._asked:
                self.airflow.ready(*(f"{name}__ingest" for name in VARIANTS))
                for name in VARIANTS:
                    self.airflow.trigger(f"{name}__ingest", "all", _span(first, last))
                self._asked = True
        self.ingest(model, first, last)

    def retrain(self, model: str, run: str, seconds: float = 600, **conf: Any) -> Retrained:
        """Trigger a retraining and see it through to its promotion."""
        self.airflow.ready(f"{model}__retrain", f"{model}__promote")
        self.airflow.succeeds(f"{model}__retrain", run, conf, seconds)
        return self.promoted(model, run)

    def promoted(self, model: str, run: str) -> Retrained:
        """The promotion that a finished retraining has started, seen through."""
        dag = f"{model}__retrain"
        told = f"no challenger was announced: {self.airflow.text_of(dag, run, 'evaluate')[-2500:]}"
        assert self.airflow.announced(dag, run), told
        started = f"{dag} {run} has started a promotion"
        ((next_dag, next_run),) = wait_for(lambda: self.airflow.caused(dag, run), started, 300)
        assert next_dag == f"{model}__promote"
        self.airflow.well(next_dag, next_run)
        asked, _ = self.airflow.times(dag, run)
        _, ended = self.airflow.times(next_dag, next_run)
        spans = self.airflow.spans(dag, run) | self.airflow.spans(next_dag, next_run)
        return Retrained(self.run_id(model, run), asked, ended, spans)

    def run_id(self, model: str, run: str) -> str:
        """The ledger's id of a DAG run."""
        return str(self.airflow.xcoms(f"{model}__retrain", run)["snapshot.return_value"])

    def live(self, model: str, stage: str, seconds: float = 400) -> Container:
        """The running container of a stage, as soon as there is one."""

        def find() -> Container | None:
            return next((item for item in tasks(self.docker, model=model, stage=stage) if item.running), None)

        found: Container = wait_for(find, f"a container of {model} {stage}", seconds, 0.3)
        return found

    def said(self, container: Container) -> str:
        """What a container has written so far."""
        return written(self.docker, container)

    def training(self, model: str) -> Container:
        """The container that trains, once it is in the middle of it."""
        container = self.live(model, "train")
        wait_for(lambda: "started" in self.said(container), f"{model} trains", 60, 0.3)
        return container

    def task(self, *argv: str, seconds: float = 600) -> str:
        """`evergreen` in a container of the tasks image, with the stages' volume, network and settings."""
        scheduler = self.compose.container("airflow-scheduler")
        known = dict(item.split("=", 1) for item in scheduler.found["Config"]["Env"])
        inside = configuration.load(known)
        env = [
            word for name, value in configuration.task_environment(inside).items() for word in ("-e", f"{name}={value}")
        ]
        place = ("--network", inside.containers.network, "--volume", f"{inside.containers.volume}:/evergreen")
        hard = ("--rm", "--read-only", "--tmpfs", "/tmp:size=2g,mode=1777", "--cap-drop", "ALL")
        return self.docker.docker("run", *hard, *place, *env, str(inside.containers.image), *argv, timeout=seconds)

    def in_volumes(self, script: str) -> None:
        """Run a few lines of Python where both the ledgers and the stages' volume are mounted."""
        ledger = self.compose.container("ledger")
        volume = next(mount["Name"] for mount in ledger.found["Mounts"] if mount["Destination"] == "/ledgers")
        known = dict(item.split("=", 1) for item in ledger.found["Config"]["Env"])
        mounts = ("--volume", f"{volume}:/ledgers", "--volume", f"{known['EVERGREEN_TASK_VOLUME']}:/evergreen")
        hard = ("--rm", "--network", "none", "--read-only", "--tmpfs", "/tmp", "--cap-drop", "ALL")
        image = ledger.found["Config"]["Image"]
        self.docker.docker("run", *hard, *mounts, "--entrypoint", "python", image, "-c", script)

    def forget(self) -> None:
        """Remove all that is only a copy, so that it must be made again from ledger and store."""
        self.in_volumes(f"import shutil; [shutil.rmtree('/evergreen/' + name, True) for name in {COPIES!r}]")

    def mlflow_alias(self, model: str, alias: str) -> int | None:
        """The version that an alias of the registry names."""
        sql = f"select version from registered_model_aliases where name = '{model}' and alias = '{alias}'"  # noqa: S608
        rows = self.machine.postgres.query("mlflow", sql)
        return int(rows[0][0]) if rows else None

    def versions(self, model: str) -> list[list[str]]:
        """Versions of a model in the registry, and the run each came from."""
        sql = f"select version, run_id from model_versions where name = '{model}' order by version"  # noqa: S608
        return self.machine.postgres.query("mlflow", sql)


def _span(first: date, last: date) -> dict[str, str]:
    return {"from": first.isoformat(), "to": last.isoformat()}


def project(machine: Machine) -> Compose:
    """The project on the machine, and nothing of an earlier session left of it."""
    root = machine.keeper.root
    variables = {
        "EVERGREEN_TASK_IMAGE": images.TEST_TASKS,
        "EVERGREEN_AIRFLOW_IMAGE": images.TEST_AIRFLOW,
        "EVERGREEN_STACK_SECRETS": str(root / "secrets"),
        "EVERGREEN_DOCKER_SOCKET": machine.docker.address.removeprefix("unix://"),
        "EVERGREEN_DOCKER_GID": str(machine.docker.group),
        "EVERGREEN_AIRFLOW_PORT": str(free_port()),
        "EVERGREEN_MLFLOW_PORT": str(free_port()),
    }
    compose = Compose(machine.docker, PROJECT, root / "stack", variables)
    compose.write(stand_ins(machine))
    compose.down()
    return compose


@contextmanager
def up(machine: Machine, compose: Compose, models: Models) -> Iterator[Stack]:
    """The project up and healthy, with the lake on S3; containers, networks and volumes go at the end."""
    airflow = f"http://127.0.0.1:{compose.variables['EVERGREEN_AIRFLOW_PORT']}"
    client = Client(airflow, "admin", machine.secrets["airflow-admin"])
    stack = Stack(machine, compose, client, models)
    try:
        come_up(compose)
        with timed("lake on S3"), ThreadPool(8) as pool:
            pool.map(lambda name: machine.s3().upload_file(str(models.lake / name), LAKE, name), lake_files(models))
        # What it starts once an hour would be taken for somebody's leftovers.
        client.ready("evergreen__maintenance")
        client.pause("evergreen__maintenance")
        yield stack
    finally:
        compose.down()


def come_up(compose: Compose) -> None:
    """Start it and wait until every service is healthy; what they have said is shown if they do not come to that."""
    try:
        compose.up()
        with timed("every service is healthy"):
            wait_for(compose.settled, "every service is healthy", 300, 1)
    except AssertionError:
        compose.report()
        raise


def stand_ins(machine: Machine) -> dict[str, Any]:
    """The three services whose images cannot be pulled, and quicker looks at the others."""
    s3, postgres, redis = f"{GATEWAY}:{machine.faults.port}", machine.postgres, machine.redis
    return impatient() | {
        "s3": stand_in(images.BASE, 7070, s3, ["tasks", "control"]),
        "postgres": stand_in(images.BASE, 5432, f"{postgres.host}:{postgres.port}", ["control"]),
        "redis": stand_in(images.BASE, 6379, f"{redis.host}:{redis.port}", ["control"]),
    }

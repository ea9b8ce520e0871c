"""Who can be killed, each as the machine would kill it: SIGKILL from outside, no goodbye; and what then restarts it.

Containers restart by their policy. Where a service manager of the host would start a server again (Docker's engine, the
S3 gateway), the test does, after a pause; nothing else is done for the run.
"""

from __future__ import annotations

import os
import signal
import time
from collections.abc import Callable

from stack.machine.compose import Container, processes_of
from stack.machine.place import wait_for
from stack.machine.stack import Stack

# What systemd's units wait by default is far less; a few seconds make sure that somebody notices.
PAUSE = 5.0
# How Airflow calls its processes: the executor's workers by what they do, the task's own by its id.
WORKER, EXECUTOR = "airflow worker -- ", "LocalExecutor"


def task_container(stack: Stack, victim: Container) -> None:
    """The container of the stage."""
    os.kill(victim.pid, signal.SIGKILL)


def task_process(stack: Stack, victim: Container) -> None:
    """Airflow's process that runs the task: the operator that waits for the container."""
    _kill(stack, "airflow-scheduler", lambda line: line.startswith(WORKER) and EXECUTOR not in line)


def worker_process(stack: Stack, victim: Container) -> None:
    """The executor's worker that supervises the task."""
    _kill(stack, "airflow-scheduler", lambda line: EXECUTOR in line and "<idle>" not in line)


def scheduler(stack: Stack, victim: Container) -> None:
    """The scheduler's container, by its first process: its restart policy brings it back."""
    before = stack.compose.container("airflow-scheduler")
    os.kill(before.pid, signal.SIGKILL)
    wait_for(lambda: stack.compose.container("airflow-scheduler").pid not in (0, before.pid), "a new scheduler", 60)


def mlflow(stack: Stack, victim: Container) -> None:
    """MLflow's container."""
    before = stack.compose.container("mlflow")
    os.kill(before.pid, signal.SIGKILL)
    wait_for(lambda: stack.compose.container("mlflow").pid not in (0, before.pid), "a new MLflow", 60)


def dockerd(stack: Stack, victim: Container) -> None:
    """Docker's engine; its service manager starts it again."""
    stack.docker.kill()
    time.sleep(PAUSE)
    stack.docker.start()


def s3_gateway(stack: Stack, victim: Container) -> None:
    """Ceph's gateway; its service manager starts it again."""
    stack.machine.ceph.kill_gateway()
    time.sleep(PAUSE)
    stack.machine.ceph.start_gateway()


KILLS: dict[str, Callable[[Stack, Container], None]] = {
    "container": task_container,
    "task process": task_process,
    "scheduler": scheduler,
    "worker process": worker_process,
    "dockerd": dockerd,
    "MLflow": mlflow,
    "S3 gateway": s3_gateway,
}


def _kill(stack: Stack, service: str, wanted: Callable[[str], bool]) -> None:
    found = processes_of(stack.docker, stack.compose.container(service))
    hit = [pid for pid, line in found.items() if wanted(line)]
    assert hit, f"none of these is the one: {found}"
    for pid in hit:
        os.kill(pid, signal.SIGKILL)

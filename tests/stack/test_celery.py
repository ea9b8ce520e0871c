"""The celery profile: Redis and a worker beside the stack, and a retraining that the worker has run."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import replace

import pytest
from stack.machine import probes
from stack.machine.place import wait_for
from stack.machine.stack import Stack

MODEL = "faulty"


@pytest.fixture
def celery(stack: Stack) -> Iterator[Stack]:
    """The stack with another executor, as `docs/operate.md` says it is chosen; as it was afterwards."""
    chosen = {"EVERGREEN_EXECUTOR": "CeleryExecutor"}
    profile = replace(stack.compose, profiles=("celery",), variables=stack.compose.variables | chosen)
    try:
        profile.up()
        wait_for(profile.settled, "every service is healthy", 300, 1)
        yield replace(stack, compose=profile)
    except AssertionError:
        profile.report()
        raise
    finally:
        for service in ("airflow-worker", "redis"):
            stack.docker.docker("rm", "--force", "--volumes", profile.container(service).id)
        stack.compose.up()
        wait_for(stack.compose.settled, "every service is healthy", 300, 1)


def test_a_worker_of_celery_retrains(celery: Stack) -> None:
    celery.ready(MODEL)
    done = celery.retrain(MODEL, "celery", as_of=str(celery.models.day(31)))
    champion = probes.champion(celery.compose, MODEL)
    assert champion is not None
    assert champion["run"] == done.run
    hosts = celery.machine.postgres.query(
        "airflow", "select distinct hostname from task_instance where run_id = 'celery' and state = 'success'"
    )
    worker = celery.compose.container("airflow-worker").id[:12]
    assert hosts == [[worker]], "somebody else than the worker has run it"
    assert probes.orphans(celery.docker) == []

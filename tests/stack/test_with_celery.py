"""The celery profile: Redis and a worker beside the stack, and a retraining that the worker has run.

The last module of all by its name: nobody needs the stack as it was before, so it is not brought back.
"""

from __future__ import annotations

from concurrent.futures import Future
from dataclasses import replace

import pytest
from stack.machine import probes
from stack.machine.place import wait_for
from stack.machine.stack import Retrained, Stack
from stack.machine.stories import KEPT as MODEL


@pytest.fixture
def celery(stack: Stack) -> Stack:
    """The stack with another executor, as `docs/operate.md` says it is chosen."""
    chosen = {"EVERGREEN_EXECUTOR": "CeleryExecutor"}
    profile = replace(stack.compose, profiles=("celery",), variables=stack.compose.variables | chosen)
    try:
        profile.up()
        wait_for(profile.settled, "every service is healthy", 300, 1)
    except AssertionError:
        profile.report()
        raise
    return replace(stack, compose=profile)


def test_a_worker_of_celery_retrains(celery: Stack, keeping: Future[Retrained]) -> None:
    # After test_restore.py it is a model whose ledger and store have been restored from a backup.
    done = celery.retrain(MODEL, "celery", as_of=str(celery.models.day(50)))
    champion = probes.champion(celery.compose, MODEL)
    assert champion is not None
    assert champion["run"] == done.run
    assert probes.finished(celery.compose, MODEL) == sorted([keeping.result().run, done.run])
    hosts = celery.machine.postgres.query(
        "airflow", "select distinct hostname from task_instance where run_id = 'celery' and state = 'success'"
    )
    worker = celery.compose.container("airflow-worker").id[:12]
    assert hosts == [[worker]], "somebody else than the worker has run it"
    assert probes.orphans(celery.docker) == []

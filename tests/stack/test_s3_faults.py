"""Case 63: S3 that answers 503, cuts connections and bodies: passing faults heal, and one that lasts is loud.

Two minutes of nothing at all are in test_s3_away.py.
"""

from __future__ import annotations

from concurrent.futures import Future
from typing import Any

import pytest
from stack.machine import probes
from stack.machine.stack import Stack
from stack.machine.stories import FAULTY as MODEL

DAG = f"{MODEL}__retrain"
# As many as `RETRIES` of plugins/evergreen_tasks.py allows, and the first.
TRIES = 7


def test_failing_requests_of_three_kinds_heal(stack: Stack, failing: Future[dict[str, Any]]) -> None:
    """Each kind alone is in tests/pipelines/storage/test_s3_transfer.py. The stories beside it have been heard."""
    counts = failing.result()
    assert min(counts["by_mode"].values()) > 3
    assert probes.orphans(stack.docker) == []


@pytest.mark.matrix
@pytest.mark.timeout(2400)
def test_away_for_longer_than_all_tries_fails_loudly(stack: Stack) -> None:
    """The waits of all tries add up to ten minutes."""
    stack.ready(MODEL)
    before = probes.champion(stack.compose, MODEL)
    stack.airflow.ready(DAG)
    stack.airflow.trigger(DAG, "gone", {"as_of": str(stack.models.day(52))})
    stack.live(MODEL, "features")
    with stack.machine.faults.during("blackout"):
        assert stack.airflow.ended(DAG, "gone", 1800) == "failed"
    (failed,) = [task for task in stack.airflow.tasks(DAG, "gone") if task.state == "failed"]
    said = stack.airflow.text_of(DAG, "gone", failed.name, failed.attempt)
    assert "S3" in said, said[-8000:]
    assert failed.attempt == TRIES, "a fault that may pass is waited out before it is final"
    assert probes.champion(stack.compose, MODEL) == before
    assert probes.orphans(stack.docker) == []

"""Case 63: S3 that answers 503, cuts connections and bodies, or is away: passing faults heal, lasting ones are loud."""

from __future__ import annotations

import time
from typing import Any

import pytest
from stack.machine import probes
from stack.machine.place import say
from stack.machine.stack import Stack

MODEL = "faulty"
DAG = f"{MODEL}__retrain"
# A third of all requests; truncated are answers that have a body.
FAULTS: list[dict[str, Any]] = [
    {"mode": "error", "share": 0.12, "seed": 3},
    {"mode": "reset", "share": 0.12, "seed": 4},
    {"mode": "truncate", "method": "GET", "share": 0.2, "seed": 5},
]
# As many as `RETRIES` of plugins/evergreen_tasks.py allows, and the first.
TRIES = 7


def test_failing_requests_of_three_kinds_heal(stack: Stack) -> None:
    """Each kind alone is in tests/pipelines/storage/test_s3_transfer.py."""
    stack.ready(MODEL)
    as_of = str(stack.models.day(34))
    stack.forget()  # or hardly anything would be read
    stack.machine.faults.set_all(FAULTS)
    try:
        done = stack.retrain(MODEL, "s3-faults", as_of=as_of)
        counts = stack.machine.faults.counts()
    finally:
        stack.machine.faults.set("pass")
    say(f"S3 with faults: {counts}")
    assert min(counts["by_mode"].values()) > 3
    right(stack, as_of, done.run)


def test_two_minutes_away_heal(stack: Stack, request: pytest.FixtureRequest) -> None:
    stack.ready(MODEL)
    stack.airflow.ready(DAG)
    as_of = str(stack.models.day(46))
    stack.airflow.trigger(DAG, "away", {"as_of": as_of})
    stack.live(MODEL, "features")
    began = time.monotonic()
    with stack.machine.faults.during("blackout", seconds=120):
        request.getfixturevalue("embedded")  # test_story.py asks for what is made on this machine meanwhile
        assert stack.airflow.ended(DAG, "away") == "success", stack.airflow.failure(DAG, "away")
    assert time.monotonic() - began > 115
    right(stack, as_of, stack.promoted(MODEL, "away").run)


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


def right(stack: Stack, as_of: str, run: str) -> None:
    """One run, whole, and nothing lying about."""
    assert probes.finished(stack.compose, MODEL, as_of) == [run]
    champion = probes.champion(stack.compose, MODEL)
    assert champion is not None
    assert champion["run"] == run
    assert probes.orphans(stack.docker) == []
    assert probes.uploads(stack.machine) == []

"""Two models at once, and the same question fifty times: each is answered by one training (cases 67 and 68)."""

from __future__ import annotations

from concurrent.futures import Future

import pytest
from stack.machine import probes
from stack.machine.stack import Stack
from stack.machine.stories import AGAIN, AS_OF, LATER, Asked


@pytest.fixture(scope="module")
def asked(asking: Future[Asked]) -> Asked:
    return asking.result()


def test_two_models_retrain_at_once(stack: Stack, asked: Asked) -> None:
    done = asked.together
    assert max(item.asked for item in done.values()) < min(item.ended for item in done.values()), "one waited"
    as_of = str(stack.models.day(AS_OF))
    for name, item in done.items():
        assert probes.finished(stack.compose, name, as_of) == [item.run]
        assert len(stack.versions(name)) == 1


def test_fifty_identical_triggers_are_one_training(stack: Stack, asked: Asked) -> None:
    """The same name is the same run; another name with the same question finds it answered."""
    assert asked.made <= 1, "where an answer was lost, asking again finds the run made"
    for run in AGAIN:
        stack.airflow.well("fifty__retrain", run)
    assert {task.state for task in stack.airflow.tasks("fifty__retrain", AGAIN[-1])} == {"skipped"}
    assert probes.finished(stack.compose, "fifty") == [asked.fifty]
    assert len(stack.versions("fifty")) == 1


def test_two_runs_of_one_model_do_not_meet(stack: Stack, asked: Asked) -> None:
    """Two questions to one model are answered one after the other, each by a run of its own."""
    days = {f"day-{number}": str(stack.models.day(number)) for number in LATER}
    for run in days:
        stack.airflow.well("other__retrain", run)
        if stack.airflow.announced("other__retrain", run):
            stack.promoted("other", run)
    for as_of in days.values():
        assert len(probes.finished(stack.compose, "other", as_of)) == 1
    assert probes.orphans(stack.docker, model="other") == []

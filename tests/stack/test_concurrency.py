"""Two models at once, and the same question fifty times: each is answered by one training (cases 67 and 68)."""

from __future__ import annotations

from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass

import pytest
from stack.machine import probes
from stack.machine.stack import Retrained, Stack

AS_OF, LATER = 38, (44, 50)
AGAIN = [f"again-{number}" for number in range(3)]


@dataclass(frozen=True)
class Asked:
    """What was asked for, all at once."""

    together: dict[str, Retrained]
    made: int
    fifty: str


@pytest.fixture(scope="module")
def asked(stack: Stack) -> Asked:
    """Two models retrained at once, one of them twice more, and a third asked fifty times the same; all ended."""
    names = ("calm", "other", "fifty")
    for name in names:
        stack.ready(name)
    stack.airflow.ready(*(f"{name}__retrain" for name in names))
    conf = {"as_of": str(stack.models.day(AS_OF))}
    for name in names[:2]:
        stack.airflow.trigger(f"{name}__retrain", "together", conf)
    with ThreadPoolExecutor(4) as pool:
        made = list(pool.map(lambda _: stack.airflow.trigger("fifty__retrain", "once", conf), range(50)))
    for run in AGAIN:
        stack.airflow.trigger("fifty__retrain", run, conf)
    together = {}
    for name in names[:2]:
        well(stack, f"{name}__retrain", "together")
        together[name] = stack.promoted(name, "together")
    well(stack, "fifty__retrain", "once")
    return Asked(together, sum(made), stack.promoted("fifty", "once").run)


def well(stack: Stack, dag: str, run: str) -> None:
    assert stack.airflow.ended(dag, run) == "success", stack.airflow.failure(dag, run)


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
        well(stack, "fifty__retrain", run)
    assert {task.state for task in stack.airflow.tasks("fifty__retrain", AGAIN[-1])} == {"skipped"}
    assert probes.finished(stack.compose, "fifty") == [asked.fifty]
    assert len(stack.versions("fifty")) == 1


def test_two_runs_of_one_model_do_not_meet(stack: Stack, asked: Asked) -> None:
    """Two questions to one model are answered one after the other, each by a run of its own."""
    days = {f"day-{number}": str(stack.models.day(number)) for number in LATER}
    for run, as_of in days.items():
        stack.airflow.trigger("other__retrain", run, {"as_of": as_of})
    for run in days:
        well(stack, "other__retrain", run)
        if stack.airflow.announced("other__retrain", run):
            stack.promoted("other", run)
    for as_of in days.values():
        assert len(probes.finished(stack.compose, "other", as_of)) == 1
    assert probes.orphans(stack.docker) == []

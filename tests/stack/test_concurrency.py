"""Two models at once, and the same question fifty times: each is answered by one training (cases 67 and 68)."""

from __future__ import annotations

from concurrent.futures import ThreadPoolExecutor

from stack.machine import probes
from stack.machine.stack import Stack

RETRAIN = "{}__retrain"


def test_two_models_retrain_at_once(stack: Stack) -> None:
    names = ("calm", "other")
    for name in names:
        stack.ready(name)
    as_of = str(stack.models.day(38))
    for name in names:
        stack.airflow.trigger(RETRAIN.format(name), "together", {"as_of": as_of})
    for name in names:
        state = stack.airflow.ended(RETRAIN.format(name), "together")
        assert state == "success", stack.airflow.failure(RETRAIN.format(name), "together")
    done = [stack.promoted(name, "together") for name in names]
    starts, ends = [item.asked for item in done], [item.ended for item in done]
    assert max(starts) < min(ends), "one waited for the other"
    for name, item in zip(names, done, strict=True):
        assert probes.finished(stack.compose, name) == [item.run]
        assert len(stack.versions(name)) == 1
    assert probes.orphans(stack.docker) == []


def test_fifty_identical_triggers_are_one_training(stack: Stack) -> None:
    """The same name is the same run; another name with the same question finds it answered."""
    stack.ready("fifty")
    dag, conf = RETRAIN.format("fifty"), {"as_of": str(stack.models.day(38))}
    stack.airflow.ready(dag)
    with ThreadPoolExecutor(4) as pool:
        made = list(pool.map(lambda _: stack.airflow.trigger(dag, "once", conf), range(50)))
    assert sum(made) <= 1, "where an answer was lost, asking again finds the run made"
    again = [f"again-{number}" for number in range(3)]
    for run in again:
        stack.airflow.trigger(dag, run, conf)
    assert stack.airflow.ended(dag, "once") == "success", stack.airflow.failure(dag, "once")
    stack.promoted("fifty", "once")
    assert [stack.airflow.ended(dag, run) for run in again] == ["success"] * 3
    assert {task.state for task in stack.airflow.tasks(dag, again[-1])} == {"skipped"}
    assert len(probes.finished(stack.compose, "fifty")) == 1
    assert len(stack.versions("fifty")) == 1


def test_two_runs_of_one_model_do_not_meet(stack: Stack) -> None:
    """Two questions to one model are answered one after the other, each by a run of its own."""
    stack.ready("other")
    dag = RETRAIN.format("other")
    days = {f"day-{number}": str(stack.models.day(number)) for number in (44, 50)}
    for run, as_of in days.items():
        stack.airflow.trigger(dag, run, {"as_of": as_of})
    assert [stack.airflow.ended(dag, run) for run in days] == ["success"] * 2
    for as_of in days.values():
        assert len(probes.finished(stack.compose, "other", as_of)) == 1

"""Case 65: a ledger that is away for longer than a try of a stage waits for it."""

from __future__ import annotations

from concurrent.futures import Future

from stack.machine.stack import Stack
from stack.machine.stories import HEADLESS


def test_a_ledger_that_is_away_is_waited_for(stack: Stack, headless: Future[float]) -> None:
    dag = f"{HEADLESS}__retrain"
    assert headless.result() > 20
    tries = [task for task in stack.airflow.tasks(dag, "headless") if task.attempt > 1]
    said = [stack.airflow.text_of(dag, "headless", task.name) for task in tries]
    assert any("http://ledger:8300" in text for text in said), f"none of {tries} has tried again for want of a ledger"

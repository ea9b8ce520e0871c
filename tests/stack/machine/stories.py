"""Stories that are told while other tests are at work: what is asked of Airflow, and seen through to its end."""

from __future__ import annotations

import time
from concurrent.futures import Future, ThreadPoolExecutor, wait
from dataclasses import dataclass
from typing import Any

from stack.machine import probes
from stack.machine.place import say
from stack.machine.stack import Retrained, Stack

AS_OF, LATER = 38, (44, 50)
AGAIN = [f"again-{number}" for number in range(3)]
KEPT, FAULTY = "kept", "faulty"
# Of the faulty model, which is retrained as of later and later days: each is to be promoted.
AWAY_DAY, AWAY_SECONDS, FAILING_DAY = 34, 120, 46
# A third of all requests; truncated are answers that have a body.
FAULTS: list[dict[str, Any]] = [
    {"mode": "error", "share": 0.12, "seed": 3},
    {"mode": "reset", "share": 0.12, "seed": 4},
    {"mode": "truncate", "method": "GET", "share": 0.2, "seed": 5},
]
# One of those that have been retrained as of AS_OF.
HEADLESS, HEADLESS_DAY = "calm", 50


@dataclass(frozen=True)
class Asked:
    """What was asked for, all at once."""

    together: dict[str, Retrained]
    made: int
    fifty: str


def asked(stack: Stack) -> Asked:
    """Two models retrained at once, a third asked fifty times the same; then one of the two twice more."""
    pair, crowd = ("calm", "other"), "fifty"
    for name in (*pair, crowd):
        stack.ready(name)
    stack.airflow.ready(*(f"{name}__retrain" for name in (*pair, crowd)))
    conf = {"as_of": str(stack.models.day(AS_OF))}
    for name in pair:
        stack.airflow.trigger(f"{name}__retrain", "together", conf)
    with ThreadPoolExecutor(4) as pool:
        made = list(pool.map(lambda _: stack.airflow.trigger(f"{crowd}__retrain", "once", conf), range(50)))
    for run in AGAIN:
        stack.airflow.trigger(f"{crowd}__retrain", run, conf)
    together = {name: seen_through(stack, name, "together") for name in pair}
    for number in LATER:
        stack.airflow.trigger("other__retrain", f"day-{number}", {"as_of": str(stack.models.day(number))})
    return Asked(together, sum(made), seen_through(stack, crowd, "once").run)


def seen_through(stack: Stack, model: str, run: str) -> Retrained:
    """A retraining that was triggered, and its promotion."""
    stack.airflow.well(f"{model}__retrain", run)
    return stack.promoted(model, run)


def tried(stack: Stack) -> str:
    """The log of the retraining of the model `rogue`, which fails."""
    stack.ready("rogue")
    dag = "rogue__retrain"
    stack.airflow.ready(dag)
    stack.airflow.trigger(dag, "try", {"as_of": str(stack.models.day(38))})
    assert stack.airflow.ended(dag, "try") == "failed"
    return stack.airflow.logs(dag, "try")


def kept(stack: Stack) -> Retrained:
    """The model `kept` with its first champion."""
    stack.ready(KEPT)
    return stack.retrain(KEPT, "before", as_of=str(stack.models.day(38)))


def left_alone(stack: Stack, threads: ThreadPoolExecutor) -> Future[float]:
    """Retrain; S3 is gone when this returns, for two minutes. In the end: seconds from there until all was right."""
    stack.ready(FAULTY)
    dag, as_of = f"{FAULTY}__retrain", str(stack.models.day(AWAY_DAY))
    stack.airflow.ready(dag)
    stack.airflow.trigger(dag, "away", {"as_of": as_of})
    stack.live(FAULTY, "features")
    stack.machine.faults.set("blackout", seconds=AWAY_SECONDS)
    began = time.monotonic()

    def healed() -> float:
        try:
            stack.airflow.well(dag, "away")
        finally:
            stack.machine.faults.set("pass")
        seconds = time.monotonic() - began
        done = stack.promoted(FAULTY, "away")
        probes.right(stack, FAULTY, as_of, done.run)
        stack.forget()  # whoever comes next has to read from S3
        return seconds

    return threads.submit(healed)


def failing(stack: Stack, before: Future[Any]) -> dict[str, Any]:
    """Once the story before has ended, retrain while a third of all requests to S3 fail; what the proxy has counted."""
    wait([before])
    as_of = str(stack.models.day(FAILING_DAY))
    stack.machine.faults.set_all(FAULTS)
    try:
        done = stack.retrain(FAULTY, "s3-faults", as_of=as_of)
        counts = stack.machine.faults.counts()
    finally:
        stack.machine.faults.set("pass")
    say(f"S3 with faults: {counts}")
    probes.right(stack, FAULTY, as_of, done.run)
    return counts


def headless(stack: Stack, before: Future[Any]) -> float:
    """Then, too, retrain another, and take away the ledger for longer than a try of a stage waits for it; seconds."""
    wait([before])
    stack.ready(HEADLESS)
    dag, as_of = f"{HEADLESS}__retrain", str(stack.models.day(HEADLESS_DAY))
    stack.airflow.trigger(dag, "headless", {"as_of": as_of})
    stack.live(HEADLESS, "validate")
    ledger, began = stack.compose.container("ledger"), time.monotonic()
    stack.docker.docker("stop", "--time", "2", ledger.id)
    time.sleep(20)  # longer than a stage waits before its try has failed
    stack.docker.docker("start", ledger.id)
    done = seen_through(stack, HEADLESS, "headless")
    probes.right(stack, HEADLESS, as_of, done.run)
    return time.monotonic() - began

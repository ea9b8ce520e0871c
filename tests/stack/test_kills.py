"""Whoever is killed, in the middle of training or of its publication: the run ends right, and nobody helps it.

`make test-faults` kills everyone at every moment; `make test-stack` takes one case, which the commit chooses.
"""

from __future__ import annotations

import random
import time
from datetime import UTC, datetime
from typing import Any

import pytest
from stack.machine import probes
from stack.machine.kills import KILLS
from stack.machine.live import Live
from stack.machine.place import ROOT, command, say, wait_for
from stack.machine.stack import Stack

MODEL = "slow"
MOMENTS = ("training", "publication")
CASES = [(number, who, moment) for number, (who, moment) in enumerate((w, m) for w in KILLS for m in MOMENTS)]
# A dead engine takes everything with it: all containers start again, then the lost heartbeat must be noticed.
LIMIT = 600
# Seconds until a lost heartbeat is noticed, and from there to the next try: the shortest wait, some chance, a start.
NOTICED, RETRIED = 60, 30


def chosen() -> int:
    """The case of this commit."""
    sha = command("git", "-C", ROOT, "rev-parse", "HEAD").strip()
    return random.Random(sha).randrange(len(CASES))  # noqa: S311 - a draw, no secret


def cases() -> list[Any]:
    """All cases; those that are not this commit's carry the mark `matrix`."""
    ours = chosen()
    return [
        pytest.param(*case, id=f"{case[1]}, {case[2]}", marks=[] if case[0] == ours else pytest.mark.matrix)
        for case in CASES
    ]


@pytest.fixture(scope="module")
def slow(stack: Stack, live: Live) -> Stack:
    """The slow model with its first champion."""
    assert live.model == MODEL
    return stack


@pytest.mark.kills
@pytest.mark.timeout(1200)
@pytest.mark.parametrize(("number", "who", "moment"), cases())
def test_a_killed_part_costs_nothing_but_time(slow: Stack, number: int, who: str, moment: str) -> None:
    as_of, run = str(slow.models.day(31 + 2 * number)), f"kill-{number}"
    before = probes.champion(slow.compose, MODEL)
    assert before is not None
    versions = len(slow.versions(MODEL))
    slow.airflow.trigger(f"{MODEL}__retrain", run, {"as_of": as_of})
    killed_at = strike(slow, who, moment)
    assert probes.champion(slow.compose, MODEL) == before, "the champion has moved before the gates have judged"
    slow.airflow.well(f"{MODEL}__retrain", run, LIMIT)
    done = slow.promoted(MODEL, run)
    say(f"{who} killed in {moment}: champion {(done.ended - killed_at).total_seconds():.0f} s later")
    if who == "worker process":
        again = (done.spans["train"][0] - killed_at).total_seconds()
        say(f"its task was tried again {again:.0f} s later")
        assert again < NOTICED + RETRIED
    after = probes.champion(slow.compose, MODEL)
    assert after is not None
    assert (after["run"], after["version"]) == (done.run, before["version"] + 1)
    assert probes.finished(slow.compose, MODEL, as_of) == [done.run]
    assert len(slow.versions(MODEL)) == versions + 1
    wait_for(lambda: not probes.orphans(slow.docker), "no container of a stage is left", 90)
    assert probes.uploads(slow.machine) == []


def strike(slow: Stack, who: str, moment: str) -> datetime:
    """Kill at that moment; returns when."""
    victim = slow.training(MODEL)
    if moment == "training":
        time.sleep(2)
        assert "publishing" not in slow.said(victim)
        at = datetime.now(UTC)
        KILLS[who](slow, victim)
        return at
    # What is published is held up on its way to S3, so that the blow lands in the middle of it. MLflow's turn comes
    # with its own artifacts.
    bucket = "evergreen-mlflow" if who == "MLflow" else "evergreen-store"
    with slow.machine.faults.during("hold", method="PUT", path=f"^/{bucket}/"):
        wait_for(lambda: slow.machine.faults.counts()["holding"], f"a write to {bucket} is held up", 240)
        at = datetime.now(UTC)
        KILLS[who](slow, victim)
    return at

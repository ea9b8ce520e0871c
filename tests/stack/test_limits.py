"""Cases 61 and 62: full disk and too little memory, in every stage: the cause is named, nothing is half published."""

from __future__ import annotations

from collections.abc import Iterator

import pytest
from stack.machine import probes
from stack.machine.compose import Container
from stack.machine.stack import Stack
from stack.machine.stages import Stages, small_volume

from pipelines.config.names import STAGES, run_id
from pipelines.errors import ExitCode

MODEL = "cramped"
LITTLE = "64MiB"  # less than any stage's imports take
ASKED = "256MiB"
MEGABYTES = 256
# Kilobytes: too few for the result, and enough for that but not for what the stage makes, which of validate is little.
TOO_LITTLE, STILL_LESS = (16, 200), {"validate": (16, 100)}


@pytest.fixture(scope="module")
def holder(stack: Stack) -> Iterator[Container]:
    stack.ready(MODEL)
    with small_volume(stack, "evergreen-test-small", MEGABYTES) as container:
        yield container


@pytest.fixture(scope="module")
def stages(stack: Stack, holder: Container) -> Stages:
    from datetime import UTC, datetime

    as_of = stack.models.day(38)
    run = run_id(as_of, datetime(2026, 1, 1, tzinfo=UTC), "limits")
    return Stages(stack, MODEL, run, "evergreen-test-small", MEGABYTES)


@pytest.mark.parametrize("stage", STAGES)
def test_a_stage_that_runs_out_says_so_and_leaves_nothing(
    stack: Stack, stages: Stages, holder: Container, stage: str
) -> None:
    """Each stage in vain, once within 256 MB, where it may fit or not, and then in peace."""
    params = {"as_of": str(stack.models.day(38))} if stage == "snapshot" else None
    before = probes.refs(stack.compose, MODEL)
    starved = stages.perform(stage, params, memory=LITTLE)
    assert starved.code not in (ExitCode.DONE, ExitCode.REFUSED)
    assert "out of memory" in starved.error
    assert f"resources.{stage}.memory" in starved.error
    assert unmoved(stack, before)
    for left in STILL_LESS.get(stage, TOO_LITTLE):
        with stages.filled(holder, left):
            full = stages.perform(stage, params)
        assert full.code == ExitCode.PASSING, (full, stages.said)
        assert "no space left on the disk" in full.error
        assert unmoved(stack, before)
    asked = stages.perform(stage, params, memory=ASKED)
    assert asked.code in (ExitCode.DONE, ExitCode.REFUSED) or "out of memory" in asked.error
    done = stages.perform(stage, params)
    assert done.code in (ExitCode.DONE, ExitCode.REFUSED), (done.error, stages.said)
    assert probes.uploads(stack.machine) == []
    assert probes.orphans(stack.docker, model=MODEL) == []


def unmoved(stack: Stack, before: dict[str, str]) -> bool:
    """Whether the ledger is as it was, but for the lease and a run that has been opened and holds no stage."""
    after = probes.refs(stack.compose, MODEL)
    moved = {name for name in before.keys() | after.keys() if before.get(name) != after.get(name)}
    return all(
        name == "refs/heads/lease" or (name.startswith("refs/heads/run/") and name not in before) for name in moved
    )

"""The machine of `make test-stack`: real servers, and the stack on them, started once a session.

Fixtures that give a Future are stories that machine/turns.py has begun while others are tested.
"""

from __future__ import annotations

import os
from collections.abc import Iterator
from concurrent.futures import Future, ThreadPoolExecutor, wait
from typing import Any

import pytest
from stack.machine import images, models, place, session, stories, turns
from stack.machine import stack as stacks
from stack.machine.embedded import AS_OF
from stack.machine.live import Live, watched
from stack.machine.models import FLIGHTS_FIRST, FLIGHTS_LAST, Models
from stack.machine.session import Machine
from stack.machine.stack import Retrained, Stack
from stack.machine.stories import Asked


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """In the order of the turns."""
    items.sort(key=lambda item: turns.place(item.path.stem) if item.path.parent.name == "stack" else len(items))


@pytest.fixture(autouse=True)
def turn(request: pytest.FixtureRequest) -> None:
    """What goes on meanwhile has begun, and what went on before has ended."""
    wanted = {name for item in request.session.items for name in getattr(item, "fixturenames", ())}
    ended, begun = turns.stories(request.path.stem, wanted)
    wait([request.getfixturevalue(name) for name in ended])
    for name in begun:
        request.getfixturevalue(name)


@pytest.fixture(scope="session")
def machine() -> Iterator[Machine]:
    """Docker, Ceph's S3 gateway behind a fault proxy, PostgreSQL, Redis; see tests/stack/machine."""
    assert os.geteuid() == 0, "these tests start a Docker engine and need root: sudo make test-stack"
    with session.running(place.folder(), images.base) as running:
        yield running


@pytest.fixture(scope="session")
def built(machine: Machine) -> Models:
    """The models of these tests, and both images, built from this checkout, with them and without."""
    return images.build(machine.docker, lambda: models.write(machine.keeper.root / "data"))


@pytest.fixture(scope="session")
def coming_up(machine: Machine, built: Models) -> Iterator[Future[Stack]]:
    """`docker-compose.yaml` on its way up on the machine."""
    compose = stacks.project(machine)
    context = stacks.up(machine, compose, built)
    with ThreadPoolExecutor(1) as pool:
        begun = pool.submit(context.__enter__)
        yield begun
        if begun.exception() is None:
            context.__exit__(None, None, None)


@pytest.fixture(scope="session")
def stack(coming_up: Future[Stack]) -> Stack:
    """The stack, up."""
    return coming_up.result()


@pytest.fixture(scope="session")
def story(stack: Stack) -> Retrained:
    """Flights retrained as of the end of March, promoted by its gates."""
    stack.ingest("flights", FLIGHTS_FIRST, FLIGHTS_LAST)
    return stack.retrain("flights", "story", as_of=AS_OF)


@pytest.fixture(scope="session")
def threads(stack: Stack) -> Iterator[ThreadPoolExecutor]:
    """For what goes on meanwhile; the stack stays until all of it has ended."""
    with ThreadPoolExecutor(8) as pool:
        yield pool


@pytest.fixture(scope="session")
def asking(stack: Stack, threads: ThreadPoolExecutor) -> Future[Asked]:
    """Two models at once, one of them twice more, and a third asked fifty times the same."""
    return threads.submit(stories.asked, stack)


@pytest.fixture(scope="session")
def watching(stack: Stack, threads: ThreadPoolExecutor) -> Future[Live]:
    """The slow model's first retraining, looked at while it trains and seen through to its promotion."""
    return threads.submit(watched, stack, "slow", "first", stack.models.day(29))


@pytest.fixture(scope="session")
def live(watching: Future[Live]) -> Live:
    """What was seen of it; the slow model has its first champion."""
    return watching.result()


@pytest.fixture(scope="session")
def rogue(stack: Stack, threads: ThreadPoolExecutor) -> Future[str]:
    """What the model `rogue` logs of its attempts."""
    return threads.submit(stories.tried, stack)


@pytest.fixture(scope="session")
def keeping(stack: Stack, threads: ThreadPoolExecutor) -> Future[Retrained]:
    """A champion that is going to be backed up."""
    return threads.submit(stories.kept, stack)


@pytest.fixture(scope="session")
def away(stack: Stack, threads: ThreadPoolExecutor) -> Future[float]:
    """A retraining that S3 has just left for two minutes."""
    return stories.left_alone(stack, threads)


@pytest.fixture(scope="session")
def failing(stack: Stack, threads: ThreadPoolExecutor, away: Future[float]) -> Future[dict[str, Any]]:
    """After that, one with failing requests to S3."""
    return threads.submit(stories.failing, stack, away)


@pytest.fixture(scope="session")
def headless(stack: Stack, threads: ThreadPoolExecutor, away: Future[float]) -> Future[float]:
    """And one, at the same time, that the ledger leaves for a while."""
    return threads.submit(stories.headless, stack, away)

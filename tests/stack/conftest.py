"""The machine of `make test-stack`: real servers, and the stack on them, started once a session."""

from __future__ import annotations

import os
from collections.abc import Iterator
from concurrent.futures import Future, ThreadPoolExecutor

import pytest
from stack.machine import images, models, place, session
from stack.machine import stack as stacks
from stack.machine.embedded import AS_OF, Embedded, retrained
from stack.machine.live import Live, watched
from stack.machine.models import FLIGHTS_FIRST, FLIGHTS_LAST, Models
from stack.machine.session import Machine
from stack.machine.stack import Retrained, Stack


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """The story first: its seconds are judged, so nobody else is at work yet."""
    items.sort(key=lambda item: item.path.name != "test_story.py")


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
def stack(machine: Machine, built: Models) -> Iterator[Stack]:
    """`docker-compose.yaml` up on the machine."""
    with stacks.up(machine, built) as running:
        yield running


@pytest.fixture(scope="session")
def story(stack: Stack) -> Retrained:
    """Flights retrained as of the end of March, promoted by its gates."""
    stack.ingest("flights", FLIGHTS_FIRST, FLIGHTS_LAST)
    return stack.retrain("flights", "story", as_of=AS_OF)


@pytest.fixture(scope="session")
def live(stack: Stack) -> Live:
    """The slow model's first retraining, looked at while it trained; it has been seen through to its promotion."""
    stack.ready("slow")
    return watched(stack, "slow", "first", stack.models.day(29))


@pytest.fixture(scope="session")
def embedded(built: Models, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Future[Embedded]]:
    """The demo's model without the stack, made while whoever asks first waits for something else."""
    with ThreadPoolExecutor(1) as pool:
        yield pool.submit(retrained, built, tmp_path_factory.mktemp("embedded"))

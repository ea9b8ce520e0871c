"""The machine of `make test-stack`: real servers, and the stack on them, started once a session."""

from __future__ import annotations

import os
from collections.abc import Iterator

import pytest
from stack.machine import images, models, place, session
from stack.machine import stack as stacks
from stack.machine.models import Models
from stack.machine.session import Machine
from stack.machine.stack import Stack


@pytest.fixture(scope="session")
def machine() -> Iterator[Machine]:
    """Docker, Ceph's S3 gateway behind a fault proxy, PostgreSQL, Redis; see tests/stack/machine."""
    assert os.geteuid() == 0, "these tests start a Docker engine and need root: sudo make test-stack"
    with session.running(place.folder()) as running:
        images.base(running.docker)
        yield running


@pytest.fixture(scope="session")
def built(machine: Machine) -> Models:
    """The models of these tests, and both images, built from this checkout, with them and without."""
    made = models.write(machine.keeper.root / "data")
    images.build(machine.docker, made)
    return made


@pytest.fixture(scope="session")
def stack(machine: Machine, built: Models) -> Iterator[Stack]:
    """`docker-compose.yaml` up on the machine."""
    with stacks.up(machine, built) as running:
        yield running

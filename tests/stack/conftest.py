"""The machine of `make test-stack`: real servers, started once a session."""

from __future__ import annotations

import os
from collections.abc import Iterator

import pytest
from stack.machine import place, session
from stack.machine.session import Machine


@pytest.fixture(scope="session")
def machine() -> Iterator[Machine]:
    """Docker, Ceph's S3 gateway behind a fault proxy, PostgreSQL; see tests/stack/machine."""
    assert os.geteuid() == 0, "these tests start a Docker engine and need root: sudo make test-stack"
    with session.running(place.folder()) as running:
        yield running

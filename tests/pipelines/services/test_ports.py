"""Ports that are taken, and sockets that others could reach."""

from __future__ import annotations

import os
import socket
from collections.abc import Iterator
from contextlib import contextmanager

import psutil
import pytest

from pipelines.errors import ConfigError
from pipelines.services import ports


@contextmanager
def listening(address: str, family: int = socket.AF_INET) -> Iterator[int]:
    with socket.socket(family, socket.SOCK_STREAM) as server:
        server.bind((address, 0))
        server.listen()
        yield server.getsockname()[1]


@pytest.mark.parametrize("address", ["127.0.0.1", "0.0.0.0"])  # noqa: S104 - that is what is looked for
def test_a_taken_port_is_named_with_its_holder_and_the_setting(address: str) -> None:
    with listening(address) as port, pytest.raises(ConfigError) as caught:
        ports.require_free(port, "EVERGREEN_MLFLOW_PORT")
    line = caught.value.line()
    assert f"port {port}" in line
    assert f"process {os.getpid()}" in line
    assert "set EVERGREEN_MLFLOW_PORT" in line


def test_a_free_port_is_no_complaint() -> None:
    with listening("127.0.0.1") as port:
        pass
    ports.require_free(port, "EVERGREEN_MLFLOW_PORT")


def test_loopback_is_not_exposed() -> None:
    with listening("127.0.0.1") as one, listening("::1", socket.AF_INET6) as two:
        assert not [item for item in ports.exposed([psutil.Process()]) if f":{one} " in item or f":{two} " in item]


@pytest.mark.parametrize(("address", "family"), [("0.0.0.0", socket.AF_INET), ("::", socket.AF_INET6)])  # noqa: S104
def test_every_interface_is_exposed_and_named(address: str, family: int) -> None:
    with listening(address, family) as port:
        found = ports.exposed([psutil.Process()])
    assert [item for item in found if item.startswith(f"{address}:{port} by") and f"(pid {os.getpid()})" in item]

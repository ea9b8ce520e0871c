"""`docker inspect` of a live task container: what a stage may do on its host."""

from __future__ import annotations

from typing import Any

import pytest
from stack.machine.live import Live
from stack.machine.models import CPUS, MEMORY_GIB, PIDS


@pytest.fixture(scope="module")
def host(live: Live) -> dict[str, Any]:
    found: dict[str, Any] = live.container.found["HostConfig"]
    return found


def test_root_is_read_only_with_a_bounded_tmpfs(host: dict[str, Any]) -> None:
    assert host["ReadonlyRootfs"] is True
    assert list(host["Tmpfs"]) == ["/tmp"]
    assert "size=" in host["Tmpfs"]["/tmp"]


def test_no_privileges(host: dict[str, Any], live: Live) -> None:
    assert host["CapDrop"] == ["ALL"]
    assert not host["CapAdd"]
    assert not host["Privileged"]
    assert any(option.startswith("no-new-privileges") for option in host["SecurityOpt"])
    assert live.container.found["Config"]["User"] in ("10001:10001", "10001", "evergreen")
    for space in ("PidMode", "UTSMode", "UsernsMode"):
        assert host[space] in ("", "private")
    assert host["IpcMode"] != "host"
    assert not host["Devices"]


def test_limits_are_those_of_model_yaml(host: dict[str, Any]) -> None:
    assert host["NanoCpus"] == CPUS * 10**9
    assert (host["Memory"], host["MemorySwap"]) == (MEMORY_GIB << 30, MEMORY_GIB << 30)
    assert host["PidsLimit"] == PIDS


def test_one_volume_and_one_network(live: Live, host: dict[str, Any]) -> None:
    (mount,) = [mount for mount in live.container.found["Mounts"] if mount["Type"] != "tmpfs"]
    assert (mount["Type"], mount["Destination"]) == ("volume", "/evergreen")
    assert not host["Binds"] or all(not bind.startswith("/") for bind in host["Binds"])
    assert len(live.container.found["NetworkSettings"]["Networks"]) == 1
    assert not host["PortBindings"]


def test_labels_say_whose_it_is(live: Live) -> None:
    labels = live.container.labels
    assert labels["evergreen.task"] == "1"
    assert (labels["evergreen.model"], labels["evergreen.stage"]) == ("slow", "train")
    assert labels["evergreen.run"].startswith("2024-")
    assert int(labels["evergreen.try"]) == 1
    assert int(labels["evergreen.deadline"]) > 0


def test_the_command_is_a_list_of_plain_words(live: Live) -> None:
    words = live.container.found["Config"]["Cmd"]
    assert words[:2] == ["stage", "train"]
    assert not any(word in ("sh", "bash", "-c") for word in words)

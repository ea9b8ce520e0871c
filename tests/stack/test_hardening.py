"""`docker inspect` of a live task container: what a stage may do on its host."""

from __future__ import annotations

from typing import Any

import pytest
from stack.machine.compose import Container
from stack.machine.stack import Stack


@pytest.fixture(scope="module")
def live(stack: Stack) -> Container:
    """The container that trains the slow model, seen while it runs; the run is seen through."""
    stack.ready("slow")
    dag = "slow__retrain"
    stack.airflow.ready(dag)
    stack.airflow.trigger(dag, "first", {"as_of": str(stack.models.day(29))})
    container = stack.training("slow")
    assert stack.airflow.ended(dag, "first") == "success", stack.airflow.failure(dag, "first")
    stack.promoted("slow", "first")
    return container


@pytest.fixture(scope="module")
def host(live: Container) -> dict[str, Any]:
    found: dict[str, Any] = live.found["HostConfig"]
    return found


def test_root_is_read_only_with_a_bounded_tmpfs(host: dict[str, Any]) -> None:
    assert host["ReadonlyRootfs"] is True
    assert list(host["Tmpfs"]) == ["/tmp"]
    assert "size=" in host["Tmpfs"]["/tmp"]


def test_no_privileges(host: dict[str, Any], live: Container) -> None:
    assert host["CapDrop"] == ["ALL"]
    assert not host["CapAdd"]
    assert not host["Privileged"]
    assert any(option.startswith("no-new-privileges") for option in host["SecurityOpt"])
    assert live.found["Config"]["User"] in ("10001:10001", "10001", "evergreen")
    for space in ("PidMode", "UTSMode", "UsernsMode"):
        assert host[space] in ("", "private")
    assert host["IpcMode"] != "host"
    assert not host["Devices"]


def test_limits_are_real(host: dict[str, Any]) -> None:
    assert host["NanoCpus"] > 0 or (host["CpuQuota"] > 0 and host["CpuPeriod"] > 0)
    assert host["Memory"] > 0
    assert host["MemorySwap"] == host["Memory"]
    assert 0 < host["PidsLimit"] <= 4096


def test_one_volume_and_one_network(live: Container, host: dict[str, Any]) -> None:
    (mount,) = [mount for mount in live.found["Mounts"] if mount["Type"] != "tmpfs"]
    assert (mount["Type"], mount["Destination"]) == ("volume", "/evergreen")
    assert not host["Binds"] or all(not bind.startswith("/") for bind in host["Binds"])
    assert len(live.found["NetworkSettings"]["Networks"]) == 1
    assert not host["PortBindings"]


def test_labels_say_whose_it_is(live: Container) -> None:
    labels = live.labels
    assert labels["evergreen.task"] == "1"
    assert (labels["evergreen.model"], labels["evergreen.stage"]) == ("slow", "train")
    assert labels["evergreen.run"].startswith("2024-")
    assert int(labels["evergreen.try"]) == 1
    assert int(labels["evergreen.deadline"]) > 0


def test_the_command_is_a_list_of_plain_words(live: Container) -> None:
    words = live.found["Config"]["Cmd"]
    assert words[:2] == ["stage", "train"]
    assert not any(word in ("sh", "bash", "-c") for word in words)

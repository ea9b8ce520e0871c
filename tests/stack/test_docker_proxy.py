"""The proxy before a real engine: what an attacker would ask for is refused, what the container task asks for works."""

from __future__ import annotations

import json
import os
import threading
import time
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path
from typing import Any

import docker
import docker_bodies
import pytest
from docker.errors import APIError
from docker_bodies import HOSTILE, MIB
from stack.machine.place import command

from pipelines.config.settings import Settings
from pipelines.services.docker_proxy import Proxy

NAME = "evergreen-proxy-test"
IMAGE = f"{NAME}:local"
TASKS, PROMOTE = f"{NAME}-tasks", f"{NAME}-promote"
PLAYED = Path(__file__).parent / "played"


@pytest.fixture(scope="module")
def address(request: pytest.FixtureRequest) -> str:
    """The machine's engine, or one that runs already: `EVERGREEN_TEST_ENGINE` spares the other servers."""
    return os.environ.get("EVERGREEN_TEST_ENGINE") or str(request.getfixturevalue("machine").docker.address)


@pytest.fixture(scope="module")
def engine(address: str) -> Iterator[docker.APIClient]:
    """Past the proxy: an image in which a script plays the stages, and the tasks' network."""
    base = os.environ.get("EVERGREEN_TEST_BASE", "evergreen-base:bookworm-2")
    command(
        *("docker", "build", "--quiet", "--build-arg", f"BASE={base}", "--tag", IMAGE, PLAYED),
        env=os.environ | {"DOCKER_HOST": address, "DOCKER_BUILDKIT": "0"},
    )
    client = docker.APIClient(base_url=address, timeout=60)
    client.create_network(TASKS, driver="bridge", internal=True)
    yield client
    for item in client.containers(all=True, filters={"name": NAME}):
        client.remove_container(item["Id"], force=True)
    for volume in client.volumes(filters={"name": NAME})["Volumes"]:
        client.remove_volume(volume["Name"], force=True)
    client.remove_network(TASKS)
    client.remove_image(IMAGE, force=True)
    client.close()


@pytest.fixture(scope="module")
def settings(engine: docker.APIClient, address: str) -> Settings:
    made = docker_bodies.settings(address, IMAGE)
    names = {"network": TASKS, "volume": TASKS, "promote_volume": PROMOTE}
    return replace(made, containers=replace(made.containers, **names))


@pytest.fixture(scope="module")
def proxied(settings: Settings) -> Iterator[docker.APIClient]:
    """Docker's library through the proxy, as the container task has it."""
    with Proxy(("127.0.0.1", 0), settings, print) as proxy:
        threading.Thread(target=proxy.serve_forever, args=(0.1,), daemon=True).start()
        client = docker.APIClient(base_url=f"tcp://127.0.0.1:{proxy.server_address[1]}", timeout=60)
        yield client
        client.close()
        proxy.shutdown()


def played(settings: Settings, **told: Any) -> dict[str, Any]:
    """The request for a container whose stage does what it is told."""
    words = ("train", "--params", json.dumps(told), "--result", f"/evergreen/results/{NAME}.json")
    body = docker_bodies.genuine(settings, *words)
    body["HostConfig"] |= {"Memory": 256 * MIB, "MemorySwap": 256 * MIB, "NanoCpus": 10**9}
    return body


@pytest.fixture
def started(proxied: docker.APIClient, settings: Settings) -> Iterator[str]:
    """A task that says lines for minutes."""
    made = proxied.create_container_from_config(played(settings, seconds=120), f"{NAME}-live")["Id"]
    proxied.start(made)
    yield made
    proxied.remove_container(made, force=True)


def test_a_task_runs_and_its_result_is_read(proxied: docker.APIClient, settings: Settings) -> None:
    made = proxied.create_container_from_config(played(settings, code=4), f"{NAME}-whole")["Id"]
    proxied.start(made)
    assert proxied.wait(made)["StatusCode"] == 4
    assert b"on standard output" in proxied.logs(made)
    packed, about = proxied.get_archive(made, f"/evergreen/results/{NAME}.json")
    assert b'"exit_code": 4' in b"".join(packed)
    assert about["size"] > 0
    host = proxied.inspect_container(made)["HostConfig"]
    assert (host["ReadonlyRootfs"], host["CapDrop"], host["Privileged"]) == (True, ["ALL"], False)
    assert [item["Id"] for item in proxied.containers(all=True, filters={"name": NAME})] == [made]
    proxied.remove_container(made)
    assert proxied.containers(all=True, filters={"id": made}) == []


@pytest.mark.parametrize(("path", "value"), HOSTILE)
def test_what_an_attacker_would_ask_for_is_refused(
    proxied: docker.APIClient, engine: docker.APIClient, settings: Settings, path: str, value: Any
) -> None:
    text = json.dumps(value).replace("evergreen-tasks", TASKS).replace("evergreen-promote", PROMOTE)
    body = docker_bodies.changed(played(settings), path, json.loads(text))
    with pytest.raises(APIError, match=r"evergreen: .* refused") as refused:
        proxied.create_container_from_config(body, f"{NAME}-bad")
    assert refused.value.status_code == 403
    assert engine.containers(all=True, filters={"name": f"{NAME}-bad"}) == []


def test_a_log_and_a_wait_come_as_they_happen(proxied: docker.APIClient, started: str) -> None:
    ended: list[int] = []
    waiting = threading.Thread(target=lambda: ended.append(proxied.wait(started)["StatusCode"]))
    waiting.start()
    lines = proxied.logs(started, stream=True, follow=True)
    began, heard = time.monotonic(), b""
    while b"line 3" not in heard:
        heard += next(lines)
    assert time.monotonic() - began < 30
    assert ended == []
    proxied.stop(started, timeout=2)
    waiting.join(20)
    assert len(ended) == 1
    for rest in lines:  # that this ends is the point: the log ends with the container
        assert b"line" in rest


@pytest.fixture
def neighbour(engine: docker.APIClient) -> str:
    """A container that is no task's, such as the database of the stack."""
    made = engine.create_container(IMAGE, ["stage"], name=f"{NAME}-neighbour", labels={"evergreen": "database"})
    return str(made["Id"])


def test_a_neighbour_cannot_be_touched(proxied: docker.APIClient, engine: docker.APIClient, neighbour: str) -> None:
    attempts = (
        lambda: proxied.inspect_container(neighbour),
        lambda: proxied.start(neighbour),
        lambda: proxied.kill(f"{NAME}-neighbour"),
        lambda: proxied.logs(neighbour[:12]),
        lambda: proxied.remove_container(neighbour, force=True),
        lambda: proxied.get_archive(neighbour, "/evergreen/results/x"),
        lambda: proxied.rename(neighbour, f"{NAME}-mine"),
    )
    for attempt in attempts:
        with pytest.raises(APIError) as refused:
            attempt()
        assert refused.value.status_code == 403
    assert engine.inspect_container(neighbour)["State"]["Status"] == "created"
    assert neighbour not in [item["Id"] for item in proxied.containers(all=True)]


def test_nothing_else_of_the_engine_is_in_reach(proxied: docker.APIClient, started: str) -> None:
    attempts = (
        lambda: proxied.exec_create(started, ["true"]),
        lambda: proxied.attach(started),
        lambda: proxied.put_archive(started, "/evergreen", b""),
        lambda: proxied.get_archive(started, "/evergreen/secrets"),
        lambda: proxied.update_container(started, mem_limit="1g"),
        lambda: proxied.commit(started, "x"),
        lambda: proxied.connect_container_to_network(started, "bridge"),
        proxied.info,
        proxied.images,
        proxied.volumes,
        proxied.networks,
        lambda: proxied.create_volume("x"),
        lambda: proxied.pull("x"),
        lambda: proxied.remove_image(IMAGE),
        proxied.prune_containers,
    )
    for attempt in attempts:
        with pytest.raises(APIError, match="refused") as refused:
            attempt()
        assert refused.value.status_code == 403

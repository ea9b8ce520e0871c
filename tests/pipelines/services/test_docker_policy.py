from __future__ import annotations

import json
from typing import Any
from urllib.parse import parse_qs, quote

import docker_bodies
import pytest
from docker_bodies import HOSTILE, IMAGE

from pipelines.services import docker_body, docker_create
from pipelines.services.docker_policy import understand
from pipelines.services.docker_refusal import Refused

SETTINGS = docker_bodies.settings()
GENUINE = docker_bodies.genuine(SETTINGS)
NEEDED = ("ReadonlyRootfs", "CapDrop", "SecurityOpt", "NetworkMode", "Mounts", "Tmpfs", "PidsLimit", "Memory")


@pytest.mark.parametrize(
    ("method", "target", "asked"),
    [
        ("GET", "/_ping", "/_ping"),
        ("HEAD", "/v1.41/_ping", "/v1.41/_ping"),
        ("GET", "/version", "/version"),
        ("GET", f"/v1.41/images/{IMAGE}/json", f"/v1.41/images/{IMAGE}/json"),
        ("GET", f"/v1.41/images/{quote(IMAGE, safe='')}/json", f"/v1.41/images/{IMAGE}/json"),
        ("POST", "/v1.41/containers/create?name=evergreen-x", "/v1.41/containers/create?name=evergreen-x"),
        ("POST", "/containers/evergreen-x/start", "/containers/ID/start"),
        ("POST", "/containers/abc/stop?t=2", "/containers/ID/stop?t=2"),
        ("POST", "/containers/abc/kill?signal=SIGKILL", "/containers/ID/kill?signal=SIGKILL"),
        ("POST", "/containers/abc/wait?condition=removed", "/containers/ID/wait?condition=removed"),
        ("GET", "/containers/abc/json", "/containers/ID/json"),
        ("GET", "/containers/abc/logs?stdout=1&follow=0&tail=all", "/containers/ID/logs?stdout=1&follow=0&tail=all"),
        ("DELETE", "/containers/abc?v=False&link=False&force=True", "/containers/ID?v=False&link=False&force=True"),
        (
            "GET",
            "/containers/abc/archive?path=/evergreen/results/a.json",
            "/containers/ID/archive?path=%2Fevergreen%2Fresults%2Fa.json",
        ),
    ],
)
def test_what_a_task_asks_is_written_anew(method: str, target: str, asked: str) -> None:
    found = understand(method, target, IMAGE)
    assert found.target("ID") == asked
    assert bool(found.container) == ("ID" in asked)
    assert found.creates == ("create" in target)


@pytest.mark.parametrize(
    ("method", "target"),
    [
        ("GET", "/info"),
        ("GET", "/events"),
        ("GET", "/secrets"),
        ("GET", "/images/json"),
        ("GET", "/images/evergreen-airflow:local/json"),
        ("DELETE", f"/images/{IMAGE}"),
        ("POST", "/images/create?fromImage=x"),
        ("POST", "/build"),
        ("POST", "/session"),
        ("POST", "/volumes/create"),
        ("GET", "/volumes"),
        ("POST", "/networks/evergreen-tasks/connect"),
        ("POST", "/containers/prune"),
        ("POST", "/containers/abc/exec"),
        ("POST", "/exec/abc/start"),
        ("POST", "/containers/abc/attach?stream=1"),
        ("GET", "/containers/abc/attach/ws"),
        ("POST", "/containers/abc/update"),
        ("POST", "/containers/abc/rename?name=evergreen-y"),
        ("POST", "/containers/abc/copy"),
        ("PUT", "/containers/abc/archive?path=/evergreen/results/a"),
        ("GET", "/containers/abc/archive?path=/evergreen/secrets/ledger"),
        ("GET", "/containers/abc/archive?path=/evergreen/results/../secrets/ledger"),
        ("GET", "/containers/abc/archive?path=/evergreen/results/a/b"),
        ("GET", "/containers/abc/archive?path=/evergreen/results/"),
        ("GET", "/containers/abc/archive?path=/evergreen/results/a&path=/etc/shadow"),
        ("GET", "/containers/abc/export"),
        ("GET", "/containers/abc/top"),
        ("GET", "/v1.23/containers/abc/json"),
        ("POST", "/v1.39/containers/create"),
        ("GET", "/v2.0/_ping"),
        ("GET", "/v1.41/v1.41/_ping"),
        ("GET", "//_ping"),
        ("GET", "/_ping/"),
        ("GET", "/_ping/../info"),
        ("GET", "/%2e%2e/info"),
        ("GET", "/containers/a%2f..%2fb/json"),
        ("GET", "/containers/a%00/json"),
        ("GET", "/containers/a%3fx/json"),
        ("GET", "/containers/\u0661/json"),
        ("GET", "http://docker/_ping"),
        ("get", "/_ping"),
        ("POST", "/_ping"),
        ("POST", "/containers/create?name=ledger"),
        ("POST", "/containers/create?name=evergreen-x&name=ledger"),
        ("POST", "/containers/create?name=evergreen-x%0a"),
        ("POST", "/containers/create?name=evergreen-x&platform=linux/s390x"),
        ("POST", "/containers/abc/start?detachKeys=a"),
        ("POST", "/containers/abc/stop?t=99999"),
        ("DELETE", "/containers/abc?link=1"),
        ("GET", "/containers/json?filters=[]"),
        ("GET", "/containers/json?filters={"),
        ("GET", "/containers/json?filters=" + quote('{"volume": ["x"]}')),
        ("GET", "/containers/json?filters=" + quote('{"label": 1}')),
        ("GET", "/containers/json?filters=" + quote("[" * 3000)),
        ("GET", "/containers/json?size=1"),
        ("GET", "/containers/json?" + "a=1&" * 30),
        ("GET", "/containers/json?%ff=1"),
    ],
)
def test_anything_else_is_refused(method: str, target: str) -> None:
    with pytest.raises(Refused, match=r"^evergreen: .* refused: ") as refused:
        understand(method, target, IMAGE)
    assert refused.value.status == 403
    assert len(str(refused.value)) <= 300


@pytest.mark.parametrize(
    ("given", "wanted"),
    [
        (None, {"label": ["evergreen.task=1"]}),
        ({"status": ["running"]}, {"status": ["running"], "label": ["evergreen.task=1"]}),
        ({"label": ["evergreen.task"]}, {"label": ["evergreen.task", "evergreen.task=1"]}),
        ({"label": {"evergreen.model=a": True}}, {"label": ["evergreen.model=a", "evergreen.task=1"]}),
    ],
)
def test_a_list_shows_tasks_alone(given: Any, wanted: dict[str, list[str]]) -> None:
    query = f"?all=1&filters={quote(json.dumps(given))}" if given else ""
    asked = understand("GET", f"/containers/json{query}", IMAGE)
    assert json.loads(parse_qs(asked.query)["filters"][0]) == wanted


def test_the_genuine_request_passes_with_what_it_says() -> None:
    made = docker_create.approved(docker_body.read(json.dumps(GENUINE).encode()), SETTINGS)
    assert made["HostConfig"] == {
        **GENUINE["HostConfig"],
        "RestartPolicy": {"Name": "no"},
    }
    assert (made["Image"], made["Cmd"], made["Labels"]) == (IMAGE, GENUINE["Cmd"], GENUINE["Labels"])
    assert {name for name in GENUINE if name not in made} == {
        name for name, value in GENUINE.items() if value in (None, False)
    }


def test_promote_has_a_volume_of_its_own() -> None:
    made = docker_create.approved(docker_bodies.genuine(SETTINGS, "promote", "--model", "flights"), SETTINGS)
    assert made["HostConfig"]["Mounts"][0]["Source"] == "evergreen-promote"


def test_a_gpu_may_be_asked_for() -> None:
    gpu = {"Driver": "", "Count": 1, "DeviceIDs": [], "Capabilities": [["gpu"]], "Options": {}}
    body = docker_bodies.changed(GENUINE, "HostConfig/DeviceRequests", [gpu])
    assert docker_create.approved(body, SETTINGS)["HostConfig"]["DeviceRequests"] == [gpu]


@pytest.mark.parametrize(("path", "value"), HOSTILE)
def test_what_the_task_never_asks_for_is_refused(path: str, value: Any) -> None:
    with pytest.raises(Refused, match=r"^evergreen: .* refused: "):
        docker_create.approved(docker_bodies.changed(GENUINE, path, value), SETTINGS)


@pytest.mark.parametrize("name", NEEDED)
def test_a_limit_that_is_not_there_is_refused(name: str) -> None:
    with pytest.raises(Refused, match=name):
        docker_create.approved(docker_bodies.without(GENUINE, f"HostConfig.{name}"), SETTINGS)


@pytest.mark.parametrize("name", ["HostConfig", "Labels", "Image", "Cmd"])
def test_a_body_that_lacks_its_main_parts_is_refused(name: str) -> None:
    with pytest.raises(Refused):
        docker_create.approved(docker_bodies.without(GENUINE, name), SETTINGS)


def test_an_empty_value_of_an_unknown_name_is_left_out() -> None:
    """Docker matches names without regard to case: `readonlyrootfs: false` would undo what has been checked."""
    body = docker_bodies.changed(GENUINE, "HostConfig/Readonlyrootfs", False)
    assert "Readonlyrootfs" not in docker_create.approved(body, SETTINGS)["HostConfig"]


@pytest.mark.parametrize(
    ("data", "status"),
    [
        (b"", 400),
        (b"[]", 400),
        (b"\xff{}", 400),
        (b'{"a": NaN}', 400),
        (b'{"a": 1, "a": 2}', 400),
        (b'{"HostConfig": {"Privileged": false, "privileged": true}}', 400),
        (b'{"Task": 1, "Tas\xe2\x84\xaa": 2}', 400),  # KELVIN SIGN, which Docker takes for a k
        (b"[" * 100_000, 400),
        (b'{"a":' * 9 + b"1" + b"}" * 9, 400),
        (b'{"a": "' + b"x" * (256 << 10) + b'"}', 413),
    ],
)
def test_a_body_that_can_be_read_in_two_ways_is_refused(data: bytes, status: int) -> None:
    with pytest.raises(Refused) as refused:
        docker_body.read(data)
    assert refused.value.status == status

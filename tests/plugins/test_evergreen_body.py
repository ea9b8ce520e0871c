"""The request that makes a task container: every field of its confinement, and what the socket proxy says to it."""

from __future__ import annotations

import json
from typing import Any

import pytest

from pipelines.config import settings as configuration
from pipelines.config.resources import Allowance
from pipelines.services import docker_create
from pipelines.services.docker_refusal import Refused

IMAGE = "evergreen-tasks:local"
EVIL = '{"note": "$(touch pwned) `id` {{ 7 * 7 }}"}'


def job(stage: str = "train", allowance: Allowance | None = None, attempt: int = 2):
    from evergreen_runtime import Job

    argv = ["stage", stage, "--model", "tiny", "--run", "r", "--params", EVIL]
    return Job("tiny", stage, "r", argv, f"evergreen-tiny-{stage}-0", attempt, 1234567890, allowance or Allowance())


def made(wanted: Any) -> dict[str, Any]:
    """The body as it goes over the wire, made without an engine."""
    from docker import APIClient
    from evergreen_body import body_of

    with APIClient("unix:///nowhere", version="1.41") as client:
        body: dict[str, Any] = json.loads(json.dumps(body_of(client, SETTINGS, wanted, "sha256:abc")))
        return body


SETTINGS = configuration.load({"EVERGREEN_TASK_IMAGE": IMAGE, "EVERGREEN_LAKE": "s3://evergreen-lake"})


def test_the_confinement_in_full() -> None:
    host = {name: value for name, value in made(job())["HostConfig"].items() if value is not None}
    assert host == {
        "ReadonlyRootfs": True,
        "Tmpfs": {"/tmp": "rw,noexec,nosuid,nodev,mode=1777,size=1073741824"},
        "Mounts": [{"Target": "/evergreen", "Source": "evergreen-tasks", "Type": "volume", "ReadOnly": False}],
        "CapDrop": ["ALL"],
        "SecurityOpt": ["no-new-privileges"],
        "PidsLimit": 512,
        "Memory": 4 * 2**30,
        "MemorySwap": 4 * 2**30,
        "NanoCpus": 2 * 10**9,
        "NetworkMode": "evergreen-tasks",
        "IpcMode": "private",
        "RestartPolicy": {"Name": "no"},
        "LogConfig": {"Type": "json-file", "Config": {"max-size": "10m", "max-file": "2"}},
    }


def test_limits_are_what_the_model_says() -> None:
    host = made(job(allowance=Allowance(1.5, "512MiB", "64MiB", 99, 2)))["HostConfig"]
    assert (host["NanoCpus"], host["Memory"], host["PidsLimit"]) == (1_500_000_000, 512 * 2**20, 99)
    assert host["Tmpfs"]["/tmp"].endswith(f",size={64 * 2**20}")
    (gpus,) = host["DeviceRequests"]
    assert (gpus["Count"], gpus["Capabilities"]) == (2, [["gpu"]])


def test_the_command_is_a_list_and_text_stays_text() -> None:
    words = made(job())["Cmd"]
    assert words[-4:] == ["--params", EVIL, "--result", "/evergreen/results/evergreen-tiny-train-0.json"]
    assert not [name for name in ("Entrypoint", "User", "WorkingDir") if made(job()).get(name)]


def test_the_environment_holds_no_secret_and_nothing_of_ours(monkeypatch: pytest.MonkeyPatch) -> None:
    for name in ("AWS_SECRET_ACCESS_KEY", "AIRFLOW__CORE__FERNET_KEY", "EVERGREEN_CANARY", "MLFLOW_TRACKING_PASSWORD"):
        monkeypatch.setenv(name, "canary")
    environment = dict(item.split("=", 1) for item in made(job())["Env"])
    assert environment == {"EVERGREEN_IMAGE_DIGEST": "sha256:abc"} | configuration.task_environment(SETTINGS)
    assert "canary" not in json.dumps(made(job()))


def test_labels_and_what_makes_a_call_the_same() -> None:
    labels = made(job())["Labels"]
    call = labels.pop("evergreen.call")
    assert labels == {
        "evergreen.task": "1",
        "evergreen.model": "tiny",
        "evergreen.stage": "train",
        "evergreen.run": "r",
        "evergreen.try": "2",
        "evergreen.deadline": "1234567890",
    }
    assert made(job(attempt=5))["Labels"]["evergreen.call"] == call
    assert made(job("evaluate"))["Labels"]["evergreen.call"] != call


def test_promote_alone_has_the_other_volume() -> None:
    sources = {stage: made(job(stage))["HostConfig"]["Mounts"][0]["Source"] for stage in ("promote", "register")}
    assert sources == {"promote": "evergreen-promote", "register": "evergreen-tasks"}


@pytest.mark.parametrize(("stage", "gpus"), [("train", 0), ("promote", 0), ("train", 1)])
def test_the_socket_proxy_lets_it_pass(stage: str, gpus: int) -> None:
    body = made(job(stage, Allowance(gpus=gpus)))
    assert docker_create.approved(body, SETTINGS)["HostConfig"]["ReadonlyRootfs"] is True
    with pytest.raises(Refused):
        docker_create.approved(body | {"HostConfig": body["HostConfig"] | {"Privileged": True}}, SETTINGS)

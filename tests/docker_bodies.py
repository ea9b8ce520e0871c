"""The create request of a container task, as Docker's library writes it."""

from __future__ import annotations

import copy
from typing import Any

from pipelines.config import settings as configuration
from pipelines.config.settings import Settings

IMAGE = "evergreen-tasks:local"
MIB, GIB = 2**20, 2**30


def settings(engine: str = "unix:///var/run/docker.sock", image: str = IMAGE) -> Settings:
    """Those of a proxy that stands before `engine`."""
    return configuration.load(
        {
            "EVERGREEN_TASK_IMAGE": image,
            "EVERGREEN_DOCKER_HOST": engine,
            "EVERGREEN_LEDGERS": "http://ledger:8300",
            "EVERGREEN_MLFLOW_URI": "http://mlflow:5000",
        }
    )


def genuine(of: Settings, *words: str) -> dict[str, Any]:
    """What the container task asks for, with all that Docker's library adds."""
    argv = ["stage", *(words or ("train", "--model", "flights", "--run", "r"))]
    environment = configuration.task_environment(of) | {"EVERGREEN_IMAGE_DIGEST": "sha256:0"}
    volume = of.containers.promote_volume if argv[1] == "promote" else of.containers.volume
    return {
        **dict.fromkeys(("Hostname", "Domainname", "ExposedPorts", "User", "Volumes", "Entrypoint", "WorkingDir")),
        **dict.fromkeys(("MacAddress", "NetworkingConfig", "StopSignal", "Healthcheck", "Runtime")),
        **dict.fromkeys(("Tty", "OpenStdin", "StdinOnce", "AttachStdin", "NetworkDisabled"), False),
        "AttachStdout": True,
        "AttachStderr": True,
        "StopTimeout": 2,
        "Image": of.containers.image,
        "Cmd": argv,
        "Env": [f"{name}={value}" for name, value in environment.items()],
        "Labels": {"evergreen.task": "1", "evergreen.model": "flights", "evergreen.stage": argv[1]},
        "HostConfig": {
            "ReadonlyRootfs": True,
            "CapDrop": ["ALL"],
            "SecurityOpt": ["no-new-privileges"],
            "NetworkMode": of.containers.network,
            "Mounts": [{"Target": "/evergreen", "Source": volume, "Type": "volume", "ReadOnly": False}],
            "Tmpfs": {"/tmp": f"rw,noexec,nosuid,nodev,mode=1777,size={GIB}"},
            "PidsLimit": 512,
            "Memory": 4 * GIB,
            "MemorySwap": 4 * GIB,
            "NanoCpus": 2 * 10**9,
            "IpcMode": "private",
            "RestartPolicy": {"Name": "no"},
            "LogConfig": {"Type": "json-file", "Config": {"max-size": "10m", "max-file": "2"}},
        },
    }


def without(body: dict[str, Any], path: str) -> dict[str, Any]:
    """`body` without what stands at `path`, such as `HostConfig.Memory`."""
    changed, (*folders, name) = copy.deepcopy(body), path.split(".")
    inner = changed
    for folder in folders:
        inner = inner[folder]
    del inner[name]
    return changed


def changed(body: dict[str, Any], path: str, value: Any) -> dict[str, Any]:
    """`body` with `value` at `path`."""
    made, (*folders, name) = copy.deepcopy(body), path.split("/")
    inner = made
    for folder in folders:
        inner = inner[folder]
    inner[name] = value
    return made


# What nobody but an attacker asks for; each alone must be refused. Path and value.
HOSTILE: list[tuple[str, Any]] = [
    ("HostConfig/Privileged", True),
    ("HostConfig/privileged", True),
    ("HostConfig/CapAdd", ["SYS_ADMIN"]),
    ("HostConfig/CapDrop", []),
    ("HostConfig/CapDrop", ["NET_RAW"]),
    ("HostConfig/Binds", ["/:/host"]),
    ("HostConfig/Mounts", []),
    ("HostConfig/Mounts", [{"Type": "bind", "Source": "/", "Target": "/evergreen"}]),
    ("HostConfig/Mounts", [{"Type": "volume", "Source": "evergreen-promote", "Target": "/evergreen"}]),
    ("HostConfig/Mounts", [{"Type": "volume", "Source": "evergreen-tasks", "Target": "/opt/venv"}]),
    ("HostConfig/Mounts", [{"Type": "volume", "Source": "evergreen-tasks", "Target": "/evergreen"}] * 2),
    (
        "HostConfig/Mounts",
        [
            {
                "Type": "volume",
                "Source": "evergreen-tasks",
                "Target": "/evergreen",
                "VolumeOptions": {"DriverConfig": {"Name": "local", "Options": {"o": "bind", "device": "/"}}},
            }
        ],
    ),
    ("HostConfig/VolumesFrom", ["postgres"]),
    ("HostConfig/NetworkMode", "host"),
    ("HostConfig/NetworkMode", "container:ledger"),
    ("HostConfig/NetworkMode", "control"),
    ("HostConfig/PidMode", "host"),
    ("HostConfig/IpcMode", "host"),
    ("HostConfig/UTSMode", "host"),
    ("HostConfig/UsernsMode", "host"),
    ("HostConfig/CgroupnsMode", "host"),
    ("HostConfig/CgroupParent", "/"),
    ("HostConfig/Cgroup", "container:x"),
    ("HostConfig/Devices", [{"PathOnHost": "/dev/sda", "PathInContainer": "/dev/sda", "CgroupPermissions": "rwm"}]),
    ("HostConfig/DeviceCgroupRules", ["b *:* rwm"]),
    ("HostConfig/DeviceRequests", [{"Count": -1, "Capabilities": [["gpu", "utility"]]}]),
    ("HostConfig/DeviceRequests", [{"Driver": "cdi", "Count": 1, "Capabilities": [["gpu"]]}]),
    ("HostConfig/SecurityOpt", ["no-new-privileges", "seccomp=unconfined"]),
    ("HostConfig/SecurityOpt", ["no-new-privileges:false"]),
    ("HostConfig/SecurityOpt", []),
    ("HostConfig/ReadonlyRootfs", False),
    ("HostConfig/ReadonlyRootfs", 1),
    ("HostConfig/Sysctls", {"net.ipv4.ip_forward": "1"}),
    ("HostConfig/Runtime", "crun"),
    ("HostConfig/Links", ["ledger:x"]),
    ("HostConfig/ExtraHosts", ["ledger:10.0.0.1"]),
    ("HostConfig/Dns", ["10.0.0.1"]),
    ("HostConfig/GroupAdd", ["0"]),
    ("HostConfig/PortBindings", {"80/tcp": [{"HostPort": "80"}]}),
    ("HostConfig/PublishAllPorts", True),
    ("HostConfig/AutoRemove", True),
    ("HostConfig/RestartPolicy", {"Name": "always"}),
    ("HostConfig/LogConfig", {"Type": "syslog", "Config": {"syslog-address": "tcp://10.0.0.1"}}),
    ("HostConfig/LogConfig", {"Type": "json-file", "Config": {"labels-regex": ".*"}}),
    ("HostConfig/Tmpfs", {"/tmp": "rw"}),
    ("HostConfig/Tmpfs", {"/opt/venv": "size=1g"}),
    ("HostConfig/Tmpfs", {"/tmp": "size=1g,dev"}),
    ("HostConfig/PidsLimit", -1),
    ("HostConfig/PidsLimit", 10**9),
    ("HostConfig/Memory", 0),
    ("HostConfig/Memory", 2**60),
    ("HostConfig/MemorySwap", -1),
    ("HostConfig/MemorySwap", 8 * GIB),
    ("HostConfig/NanoCpus", 0),
    ("HostConfig/OomKillDisable", True),
    ("HostConfig/OomScoreAdj", -1000),
    ("HostConfig/Ulimits", [{"Name": "core", "Soft": -1, "Hard": -1}]),
    ("HostConfig/MaskedPaths", ["/none"]),
    ("HostConfig/StorageOpt", {"size": "1T"}),
    ("Image", "evergreen-airflow:local"),
    ("Image", "sha256:" + "0" * 64),
    ("Entrypoint", ["/bin/sh", "-c"]),
    ("Cmd", ["serve-docker-proxy"]),
    ("Cmd", "stage train"),
    ("User", "0"),
    ("User", "root"),
    ("WorkingDir", "/evergreen"),
    ("Hostname", "ledger"),
    ("Tty", True),
    ("OpenStdin", True),
    ("Healthcheck", {"Test": ["CMD", "true"]}),
    ("Volumes", {"/x": {}}),
    ("Labels", {"evergreen.model": "flights"}),
    ("Labels", {"evergreen.task": "1", "com.docker.compose.project": "evergreen"}),
    ("NetworkingConfig", {"EndpointsConfig": {"control": {}}}),
    ("NetworkingConfig", {"EndpointsConfig": {"evergreen-tasks": {"Aliases": ["ledger"]}}}),
    ("NetworkingConfig", {"EndpointsConfig": {"evergreen-tasks": {}, "control": None}}),
    ("Env", ["EVERGREEN_LEDGERS=http://10.0.0.1"]),
    ("Env", ["EVERGREEN_S3_ENDPOINT=http://10.0.0.1"]),
    ("Env", ["LD_PRELOAD=/evergreen/x.so"]),
    ("Env", ["PYTHONPATH=/evergreen"]),
    ("Env", ["HTTP_PROXY=http://10.0.0.1"]),
    ("Env", "EVERGREEN_HOME=/evergreen"),
    ("SomethingNew", {"of": "a later Docker"}),
]

"""Judges a request to create a container: it must be the one that the container task makes, and nothing besides.

Every key has a rule. What has none must be empty and is left out; the body that Docker gets is written anew from the
values that passed, so that nothing reaches it unread.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Mapping
from typing import Any

from pipelines.config.names import PROMOTER_STEPS
from pipelines.config.resources import LARGEST, SMALLEST
from pipelines.config.settings import Settings, task_environment
from pipelines.services.docker_body import SAID
from pipelines.services.docker_policy import LABEL
from pipelines.services.docker_refusal import Refused

Check = Callable[[Any], bool]
CPU = 10**9
_EMPTY: tuple[Any, ...] = (None, False, 0, "", [], {})
_TMPFS = re.compile(
    r"(rw|noexec|exec|nosuid|nodev|mode=[0-7]{3,4}|uid=[0-9]{1,10}|gid=[0-9]{1,10}|size=[0-9]{1,15}[kmg]?)", re.ASCII
)
# A task logs in to these: another address would be told its passwords.
_ADDRESSES = ("LEDGERS", "S3_ENDPOINT", "MLFLOW_URI", "LAKE", "DVC_REMOTE", "PREDICTIONS", "SECRETS", "HOME", "MODELS")
_MAY_DIFFER = re.compile(r"EVERGREEN_[A-Z0-9_]{1,60}", re.ASCII)


def approved(body: Mapping[str, Any], settings: Settings) -> dict[str, Any]:
    """The body to send to Docker for `body`; `settings` are those that the container tasks have.

    Raises:
        Refused: it asks for anything that the container task never asks for.
    """
    containers, words = settings.containers, body.get("Cmd")
    if not isinstance(words, list) or words[:1] != ["stage"] or not all(isinstance(word, str) for word in words):
        raise Refused(SAID, "Cmd is no `stage` and its arguments")
    volume = containers.promote_volume if words[1:2] and words[1] in PROMOTER_STEPS else containers.volume
    host = _checked("HostConfig", body.get("HostConfig"), _host(containers.network, volume), _HOST_NEEDS)
    if host["MemorySwap"] != host["Memory"]:
        raise Refused(SAID, "MemorySwap is not Memory, so the limit could be swapped away")
    return _checked("the body", body, _top(settings), _TOP_NEEDS) | {"HostConfig": host}


def _checked(where: str, given: Any, rules: Mapping[str, Check], needed: frozenset[str]) -> dict[str, Any]:
    if not isinstance(given, Mapping):
        raise Refused(SAID, f"{where} is missing or no object")
    kept = {}
    for name, value in given.items():
        rule = rules.get(name)
        if rule is not None and rule(value):
            kept[name] = value
        elif name in needed or not _empty(value):
            raise Refused(SAID, f"{where} has {name} = {value!r}")
    missing = sorted(needed - set(kept))
    if missing:
        raise Refused(SAID, f"{where} lacks {', '.join(missing)}")
    return kept


def _empty(value: Any) -> bool:
    # 0 == False, and both mean that nothing is asked for.
    return any(value == item for item in _EMPTY)


def _top(settings: Settings) -> dict[str, Check]:
    containers, known = settings.containers, task_environment(settings)
    return {
        "Image": _is(containers.image),
        "Cmd": _words(100, 65536),
        "Env": lambda value: _words(100, 8192)(value) and all(_known(word, known) for word in value),
        "Labels": _labels,
        "User": lambda value: value in ("10001", "10001:10001"),
        "HostConfig": lambda _: True,
        "NetworkingConfig": lambda value: _networks(value, containers.network),
        "AttachStdout": _flag,
        "AttachStderr": _flag,
        "StopSignal": _is("SIGTERM"),
        "StopTimeout": _number(0, 600),
    }


def _host(network: str, volume: str) -> dict[str, Check]:
    return {
        "ReadonlyRootfs": _is(True),
        "CapDrop": _is(["ALL"]),
        "SecurityOpt": lambda value: value in (["no-new-privileges"], ["no-new-privileges:true"]),
        "NetworkMode": _is(network),
        "Mounts": lambda value: _mounts(value, volume),
        "Tmpfs": _tmpfs,
        "PidsLimit": _number(1, 100_000),
        "Memory": _number(SMALLEST, LARGEST),
        "MemorySwap": _number(SMALLEST, LARGEST),
        "NanoCpus": _number(CPU // 100, 1024 * CPU),
        "ShmSize": _number(0, LARGEST),
        "OomScoreAdj": _number(0, 1000),
        "Init": _flag,
        "IpcMode": lambda value: value in ("private", "none"),
        "CgroupnsMode": _is("private"),
        "LogConfig": _log,
        "RestartPolicy": lambda value: value in ({"Name": "no"}, {"Name": "no", "MaximumRetryCount": 0}),
        "DeviceRequests": _gpus,
    }


_TOP_NEEDS = frozenset({"Image", "Cmd", "Labels", "HostConfig"})
_HOST_NEEDS = frozenset(
    {"ReadonlyRootfs", "CapDrop", "SecurityOpt", "NetworkMode", "Mounts", "Tmpfs"}
    | {"PidsLimit", "Memory", "MemorySwap", "NanoCpus", "LogConfig"}
)


def _is(wanted: Any) -> Check:
    # `1 == True`: the type must be the same too.
    return lambda value: type(value) is type(wanted) and value == wanted


def _flag(value: Any) -> bool:
    return isinstance(value, bool)


def _number(low: int, high: int) -> Check:
    return lambda value: type(value) is int and low <= value <= high


def _words(count: int, length: int) -> Check:
    return lambda value: (
        isinstance(value, list)
        and len(value) <= count
        and all(isinstance(word, str) and len(word) <= length for word in value)
    )


def _known(variable: str, known: Mapping[str, str]) -> bool:
    name, _, value = variable.partition("=")
    if name.removeprefix("EVERGREEN_") in _ADDRESSES or not _MAY_DIFFER.fullmatch(name):
        return known.get(name) == value
    return "\0" not in value


def _labels(value: Any) -> bool:
    # Compose takes a container with its labels for its own.
    return (
        isinstance(value, dict)
        and value.get(LABEL) == "1"
        and len(value) <= 30
        and all(
            name.startswith("evergreen.") and isinstance(text, str) and len(text) <= 1024
            for name, text in value.items()
        )
    )


def _networks(value: Any, network: str) -> bool:
    """One network, and there neither an address nor another name: a task must not answer to the name of a server."""
    if not isinstance(value, dict) or not set(value) <= {"EndpointsConfig"}:
        return False
    ends = value.get("EndpointsConfig") or {}
    return isinstance(ends, dict) and set(ends) <= {network} and all(_empty(end) for end in ends.values())


def _mounts(value: Any, volume: str) -> bool:
    if not isinstance(value, list) or len(value) != 1 or not isinstance(value[0], dict):
        return False
    filled = {name: item for name, item in value[0].items() if not _empty(item)}
    return filled == {"Type": "volume", "Source": volume, "Target": "/evergreen"}


def _tmpfs(value: Any) -> bool:
    if not isinstance(value, dict) or list(value) != ["/tmp"] or not isinstance(value["/tmp"], str):  # noqa: S108
        return False
    options = value["/tmp"].split(",")  # noqa: S108 - inside the container
    return any(word.startswith("size=") for word in options) and all(_TMPFS.fullmatch(word) for word in options)


def _log(value: Any) -> bool:
    if not isinstance(value, dict) or not set(value) <= {"Type", "Config"} or value.get("Type") != "json-file":
        return False
    options = value.get("Config") or {}
    return isinstance(options, dict) and set(options) <= {"max-size", "max-file"} and _texts(options)


def _texts(value: Mapping[str, Any]) -> bool:
    return all(isinstance(item, str) for item in value.values())


def _gpus(value: Any) -> bool:
    if not isinstance(value, list) or len(value) != 1 or not isinstance(value[0], dict):
        return False
    filled = {name: item for name, item in value[0].items() if not _empty(item)}
    count = filled.pop("Count", None)
    if filled.pop("Driver", "nvidia") != "nvidia" or type(count) is not int or not -1 <= count <= 64:
        return False
    return filled == {"Capabilities": [["gpu"]]}

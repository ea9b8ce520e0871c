"""What runs stages in containers: Docker's engine, or Kubernetes. Nothing is asked where stages run as processes."""

from __future__ import annotations

import http.client
import json
import socket
from dataclasses import replace
from functools import partial
from importlib.metadata import PackageNotFoundError, version
from typing import Any
from urllib.parse import quote, urlsplit

from pipelines.config.settings import Runtime, Settings
from pipelines.doctor.base import Check, Finding, Mark, fail, ok, public, warn
from pipelines.errors import ConfigError, PassingFault

_SECONDS = 4.0
_BYTES = 1 << 20
_UNSEEN = 403  # the socket proxy of the stack passes on only what a container task asks


def checks(settings: Settings) -> list[Check]:
    """The check of the runtime that the settings choose."""
    runtime, image = settings.runtime, settings.containers.image
    if runtime is Runtime.KUBERNETES:
        return [Check("Kubernetes", partial(kubernetes, settings))]
    if runtime is Runtime.DOCKER or (runtime is Runtime.AUTO and image):
        return [Check("Docker", partial(docker, settings))]
    return []


def docker(settings: Settings) -> Finding:
    """The engine answers and has image, network and volumes."""
    automatic = settings.runtime is Runtime.AUTO
    try:
        found = _engine(settings)
    except PassingFault as error:
        if automatic:
            return warn(f"{error.where}: {error.what}; stages run as processes", error.remedy)
        raise
    if automatic and found.mark is Mark.FAIL and found.found.startswith("no image"):
        return replace(found, mark=Mark.WARN, found=f"{found.found}; stages run as processes")
    return found


def kubernetes(settings: Settings) -> Finding:
    """The client is installed. The cluster is left to its own tools."""
    try:
        client = version("kubernetes")
        version("apache-airflow-providers-cncf-kubernetes")
    except PackageNotFoundError as error:
        return fail(f"{error.name} is not installed", "install requirements.lock, or choose another EVERGREEN_RUNTIME")
    space = settings.containers.namespace
    return warn(
        f"client {client}; the cluster is not asked: image, volumes, secrets, quota, rights",
        f"kubectl auth can-i create pods -n {space}; kubectl get pvc,secrets -n {space}",
    )


def _engine(settings: Settings) -> Finding:
    wanted = settings.containers
    if not wanted.image:
        return fail("EVERGREEN_TASK_IMAGE names no image", "set it, or choose another EVERGREEN_RUNTIME")
    told = _ask(wanted.engine, "/version")[1].get("Version", "?")
    if _missing(wanted.engine, f"/images/{quote(wanted.image, safe='/:@')}/json"):
        return fail(f"no image {wanted.image} at {public(wanted.engine)}", "build it with `make images`, or pull it")
    others = {f"network {wanted.network}": f"/networks/{quote(wanted.network, safe='')}"}
    for volume in (wanted.volume, wanted.promote_volume):
        others[f"volume {volume}"] = f"/volumes/{quote(volume, safe='')}"
    answers = {name: _missing(wanted.engine, path) for name, path in others.items()}
    if missing := [name for name, gone in answers.items() if gone]:
        return fail(f"no {', no '.join(missing)} at {public(wanted.engine)}", "`make stack` makes them")
    unseen = [name for name, gone in answers.items() if gone is None]
    note = f"; its proxy does not tell of {', '.join(unseen)}" if unseen else ", network and volumes are there"
    return ok(f"Docker {told}, image {wanted.image}{note}")


def _missing(engine: str, path: str) -> bool | None:
    """Whether the engine lacks it; None: we may not know."""
    status, _ = _ask(engine, path)
    return None if status == _UNSEEN else status == 404


def _ask(engine: str, path: str) -> tuple[int, dict[str, Any]]:
    """Status and JSON of a GET; raises PassingFault where there is no answer or a server's fault."""
    where = public(engine)
    connection = _connection(engine)
    try:
        connection.request("GET", path, headers={"Host": "docker"})
        answer = connection.getresponse()
        body = answer.read(_BYTES)
        value = json.loads(body) if answer.status == 200 else {}
    except (OSError, http.client.HTTPException) as error:
        raise PassingFault(f"Docker does not answer: {error}", where=where, remedy="start it; see its rights") from None
    except ValueError:
        raise ConfigError("what answers is not Docker", where=where, remedy="see EVERGREEN_DOCKER_HOST") from None
    finally:
        connection.close()
    if answer.status >= 500:
        raise PassingFault(f"Docker answers {answer.status} to {path}", where=where, remedy="see its log")
    return answer.status, value if isinstance(value, dict) else {}


def _connection(engine: str) -> http.client.HTTPConnection:
    parts = urlsplit(engine)
    if parts.scheme == "unix":
        return _Unix(parts.path)
    if parts.scheme in ("tcp", "http") and parts.hostname:
        return http.client.HTTPConnection(parts.hostname, parts.port or 2375, timeout=_SECONDS)
    if parts.scheme == "https" and parts.hostname:
        return http.client.HTTPSConnection(parts.hostname, parts.port or 2376, timeout=_SECONDS)
    raise ConfigError(
        "is no address of an engine", where=f"EVERGREEN_DOCKER_HOST {public(engine)}", remedy="unix:///… or tcp://…"
    )


class _Unix(http.client.HTTPConnection):
    """HTTP over a socket of this machine."""

    def __init__(self, path: str) -> None:
        super().__init__("localhost", timeout=_SECONDS)
        self._path = path

    def connect(self) -> None:
        """Open the socket."""
        self.sock = socket.socket(socket.AF_UNIX, socket.SOCK_STREAM)
        self.sock.settimeout(self.timeout)
        self.sock.connect(self._path)

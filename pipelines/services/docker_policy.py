"""Which questions to Docker the proxy passes on: method, path and query of what the container task asks.

Nothing of a request is passed on as it came: path and query are written anew from what was understood of them.
"""

from __future__ import annotations

import json
import re
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any
from urllib.parse import parse_qsl, quote, unquote, urlencode

from pipelines.services.docker_refusal import Refused

LABEL = "evergreen.task"
RESULTS = "/evergreen/results/"
# Older versions of the API take a host configuration when a container starts.
OLDEST = 40
_VERSION = re.compile(r"/v1\.([0-9]{1,3})(?=/)", re.ASCII)
_FLAG = r"(?i:true|false|1|0|)"
_OFF = r"(?i:false|0|)"
_TIME = r"[0-9]{1,12}(\.[0-9]{1,9})?|"
_NAME = r"evergreen-[a-z0-9][a-z0-9_.-]{0,180}"
_FILTERS = {"label", "status", "name", "id", "exited"}


@dataclass(frozen=True)
class Asked:
    """A request understood. `{id}` in `path` stands for the id of `container`, which must be a task's."""

    path: str
    query: str = ""
    container: str = ""
    creates: bool = False

    def target(self, identity: str = "") -> str:
        """What to ask Docker for."""
        path = self.path.replace("{id}", identity)
        return f"{path}?{self.query}" if self.query else path


@dataclass(frozen=True)
class _Kind:
    """One kind of question: `{id}` stands for a container, `{image}` for an image; `query` has a pattern for each."""

    method: str
    path: str
    query: Mapping[str, str]
    rewrite: Callable[[dict[str, str]], dict[str, str]] = dict

    def match(self, path: str) -> re.Match[str] | None:
        """The match of `path`, with the groups `id` and `image` where they stand in this kind's."""
        pattern = re.escape(self.path).replace(r"\{id\}", r"(?P<id>[a-zA-Z0-9][a-zA-Z0-9_.-]{0,200})")
        return re.fullmatch(pattern.replace(r"\{image\}", r"(?P<image>[\w./:@-]{1,300})"), path, re.ASCII)


def understand(method: str, target: str, image: str) -> Asked:
    """What `method target` asks for; `image` is the one image that may be looked at.

    Raises:
        Refused: it is nothing that the container task asks.
    """
    said = f"{method} {target}"
    raw, _, query = target.partition("?")
    version, path = _split_version(unquote(raw), said)
    for kind in _KINDS:
        match = kind.match(path) if kind.method == method else None
        if not match:
            continue
        found = match.groupdict()
        if found.get("image", image) != image:
            raise Refused(said, "only the task image may be looked at")
        anew = kind.path.replace("{image}", quote(image, safe="/:@"))
        asked = urlencode(kind.rewrite(_query(query, kind.query, said)))
        return Asked(version + anew, asked, found.get("id", ""), creates=kind.path == "/containers/create")
    raise Refused(said, "no container task asks this")


def _split_version(path: str, said: str) -> tuple[str, str]:
    match = _VERSION.match(path)
    if not match:
        return "", path
    if int(match[1]) < OLDEST:
        raise Refused(said, f"the API must be of version 1.{OLDEST} or newer")
    return match[0], path[match.end() :]


def _query(text: str, known: Mapping[str, str], said: str) -> dict[str, str]:
    try:
        pairs = parse_qsl(text, keep_blank_values=True, strict_parsing=bool(text), max_num_fields=20, errors="strict")
    except ValueError:
        raise Refused(said, "its query cannot be read") from None
    found = dict(pairs)
    if len(found) < len(pairs):
        raise Refused(said, "a parameter is given twice")
    for name, value in found.items():
        if name not in known or not re.fullmatch(known[name], value, re.ASCII | re.DOTALL):
            raise Refused(said, f"{name}={value} is nothing that a container task asks")
    return found


def _tasks_only(query: dict[str, str]) -> dict[str, str]:
    """The same list of containers, narrowed to those of tasks."""
    said = "GET /containers/json"
    try:
        filters: Any = json.loads(query.get("filters") or "{}")
    except (ValueError, RecursionError):
        raise Refused(said, "its filters are no JSON") from None
    if not isinstance(filters, dict) or not set(filters) <= _FILTERS:
        raise Refused(said, f"it filters by more than {', '.join(sorted(_FILTERS))}")
    if not all(isinstance(values, list | dict) for values in filters.values()):
        raise Refused(said, "a filter is no list")
    # Docker takes a list or, as it was once written, an object whose keys are the values.
    plain = {name: [str(value) for value in values] for name, values in filters.items()}
    plain["label"] = [*plain.get("label", []), f"{LABEL}=1"]
    return {**query, "filters": json.dumps(plain)}


_LIST = {"all": _FLAG, "limit": r"-?[0-9]{1,6}", "size": _OFF, "trunc_cmd": _FLAG, "filters": r".{0,4000}"}
_LOGS = dict.fromkeys(("stdout", "stderr", "follow", "timestamps"), _FLAG)
_LOGS |= {"tail": r"all|[0-9]{1,9}|", "since": _TIME, "until": _TIME}
_RESULT = rf"{re.escape(RESULTS)}[a-zA-Z0-9][a-zA-Z0-9_.-]{{0,250}}"
_KINDS = (
    _Kind("GET", "/_ping", {}),
    _Kind("HEAD", "/_ping", {}),
    _Kind("GET", "/version", {}),
    _Kind("GET", "/images/{image}/json", {}),
    _Kind("GET", "/containers/json", _LIST, _tasks_only),
    _Kind("POST", "/containers/create", {"name": _NAME, "platform": ""}),
    _Kind("POST", "/containers/{id}/start", {}),
    _Kind("POST", "/containers/{id}/stop", {"t": r"[0-9]{1,4}"}),
    _Kind("POST", "/containers/{id}/kill", {"signal": r"(SIG)?[A-Z0-9]{1,10}"}),
    _Kind("POST", "/containers/{id}/wait", {"condition": "not-running|next-exit|removed"}),
    _Kind("GET", "/containers/{id}/json", {"size": _OFF}),
    _Kind("GET", "/containers/{id}/logs", _LOGS),
    _Kind("GET", "/containers/{id}/archive", {"path": _RESULT}),
    _Kind("DELETE", "/containers/{id}", {"v": _FLAG, "force": _FLAG, "link": _OFF}),
)

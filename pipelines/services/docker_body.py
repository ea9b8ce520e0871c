"""Reads the body of a request to create a container into JSON that can be judged: bounded, and read in one way only."""

from __future__ import annotations

import json
from typing import Any

from pipelines.services.docker_refusal import Refused

SAID = "POST /containers/create"
LIMIT = 256 << 10
DEPTH = 8


def read(data: bytes) -> dict[str, Any]:
    """The object in `data`.

    Raises:
        Refused: too long, too deep, no JSON object, or with names that Docker could take for one another.
    """
    if len(data) > LIMIT:
        raise Refused(SAID, f"its body is longer than {LIMIT} bytes", 413)
    try:
        value = json.loads(data.decode("utf-8"), object_pairs_hook=_once, parse_constant=_no_constant)
    except (ValueError, RecursionError):
        raise Refused(SAID, "its body is no JSON", 400) from None
    if not isinstance(value, dict):
        raise Refused(SAID, "its body is no JSON object", 400)
    _shallow(value, DEPTH)
    return value


def _once(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
    # Docker matches names without regard to case, and the last one counts.
    if len({name.casefold() for name, _ in pairs}) < len(pairs):
        raise Refused(SAID, "a name is given twice", 400)
    return dict(pairs)


def _no_constant(text: str) -> Any:
    raise Refused(SAID, f"{text} is no JSON", 400)


def _shallow(value: Any, left: int) -> None:
    if isinstance(value, dict | list):
        if left == 0:
            raise Refused(SAID, f"it nests deeper than {DEPTH}", 400)
        for item in value.values() if isinstance(value, dict) else value:
            _shallow(item, left - 1)

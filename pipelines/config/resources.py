"""What a stage's container may use. Limits, not sizes of a result: no run's recipe depends on them."""

from __future__ import annotations

import re
from dataclasses import dataclass
from typing import Annotated, Literal

from pydantic import AfterValidator, BaseModel, ConfigDict, Field

MIB = 2**20
_SIZE = re.compile(r"([1-9][0-9]{0,6})(MiB|GiB)\Z", re.ASCII)
_UNITS = {"MiB": MIB, "GiB": 1024 * MIB}
SMALLEST, LARGEST = 64 * MIB, 64 * 2**40


def size_bytes(text: str) -> int:
    """The bytes that `512MiB` or `4GiB` stands for; raises ValueError for any other text."""
    match = _SIZE.match(text)
    size = int(match[1]) * _UNITS[match[2]] if match else 0
    if not SMALLEST <= size <= LARGEST:
        raise ValueError("write it as 512MiB or 4GiB; from 64MiB on")
    return size


def _size(text: str) -> str:
    size_bytes(text)
    return text


Size = Annotated[str, AfterValidator(_size)]
Night = Literal["ingest", "score", "monitor", "decide"]
Release = Literal["register", "promote", "rollback", "reconcile"]
Who = Literal["default", "snapshot", "validate", "features", "train", "evaluate"] | Release | Night


@dataclass(frozen=True)
class Allowance:
    """The resources of one stage, with nothing left open. `tmp` is the size of /tmp, which counts as memory."""

    cpus: float = 2.0
    memory: str = "4GiB"
    tmp: str = "1GiB"
    pids: int = 512
    gpus: int = 0


class Limits(BaseModel):
    """What `model.yaml` says about one stage; what it leaves out is as in `default`."""

    model_config = ConfigDict(extra="forbid", frozen=True, strict=True, allow_inf_nan=False)

    cpus: Annotated[float, Field(ge=0.1, le=1024)] | None = None
    memory: Size | None = None
    tmp: Size | None = None
    pids: Annotated[int, Field(ge=32, le=100_000)] | None = None
    gpus: Annotated[int, Field(ge=0, le=64)] | None = None

    def over(self, below: Allowance) -> Allowance:
        """These limits, completed with those of `below`."""
        said = {name: value for name, value in self if value is not None}
        return Allowance(**{**vars(below), **said})

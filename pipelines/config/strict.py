"""What every part of `model.yaml` is made of: strict, immutable objects, and the types that many of them share."""

from __future__ import annotations

from datetime import date
from functools import cache
from typing import Annotated, Any
from zoneinfo import ZoneInfo, available_timezones

from pydantic import AfterValidator, BaseModel, ConfigDict, Field

from pipelines.config import names

MAX_SHARE = 1.0


class Strict(BaseModel):
    """Base of every part of `model.yaml`."""

    model_config = ConfigDict(extra="forbid", frozen=True, strict=True, allow_inf_nan=False)


# Listing them walks a thousand files (0.04 s), and a DAG file reads a hundred models.
_zones = cache(available_timezones)


def _zone(text: str) -> str:
    if text not in _zones():
        raise ValueError(f"{text!r} is no IANA time zone, as America/New_York is")
    return ZoneInfo(text).key


def bare_on(value: Any) -> Any:
    """`value`, a mapping from YAML, with the key `on` as it was written: YAML takes it, bare, for `true`."""
    if isinstance(value, dict) and True in value and "on" not in value:
        return {"on" if key is True else key: item for key, item in value.items()}
    return value


Days = Annotated[int, Field(ge=1, le=3660)]
Count = Annotated[int, Field(ge=0, le=10**12)]
Share = Annotated[float, Field(ge=0, le=MAX_SHARE)]
Column = Annotated[str, Field(min_length=1, max_length=128, pattern=r"^[A-Za-z_][A-Za-z0-9_ .-]*$")]
Day = Annotated[date, Field(ge=names.EARLIEST, lt=names.LATEST, strict=False)]
Zone = Annotated[str, AfterValidator(_zone)]

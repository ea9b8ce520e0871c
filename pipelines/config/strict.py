"""What every part of `model.yaml` is made of: strict, immutable objects, and the types that many of them share."""

from __future__ import annotations

import unicodedata
from datetime import date
from functools import cache
from typing import Annotated, Any
from zoneinfo import ZoneInfo, available_timezones

from pydantic import AfterValidator, BaseModel, BeforeValidator, ConfigDict, Field

from pipelines.config import names

MAX_SHARE = 1.0
# What a 32-bit float holds, and with it a label, a score and whatever is in their unit.
LARGEST = 3.4e38
_NO_NAME = frozenset({"Cc", "Cs", "Zl", "Zp"})  # controls, halves of a sign, ends of lines and paragraphs


class Strict(BaseModel):
    """Base of every part of `model.yaml`."""

    model_config = ConfigDict(extra="forbid", frozen=True, strict=True, allow_inf_nan=False)


# Listing them walks a thousand files (0.04 s), and a DAG file reads a hundred models.
_zones = cache(available_timezones)


def _zone(text: str) -> str:
    if text not in _zones():
        raise ValueError(f"{text!r} is no IANA time zone, as America/New_York is")
    return ZoneInfo(text).key


def truth(value: Any) -> Any:
    """`value`, with the words that are true and false to YAML 1.1 and texts to YAML 1.2 as what they mean."""
    return _TRUTHS.get(value.lower(), value) if isinstance(value, str) else value


def _column(text: str) -> str:
    if any(unicodedata.category(sign) in _NO_NAME for sign in text):
        raise ValueError("a column's name holds no control characters")
    return text


_TRUTHS = {"yes": True, "on": True, "no": False, "off": False}
Truth = Annotated[bool, BeforeValidator(truth)]
Days = Annotated[int, Field(ge=1, le=3660)]
Count = Annotated[int, Field(ge=0, le=10**12)]
Share = Annotated[float, Field(ge=0, le=MAX_SHARE)]
Column = Annotated[str, Field(min_length=1, max_length=128), AfterValidator(_column)]
Day = Annotated[date, Field(ge=names.EARLIEST, lt=names.LATEST, strict=False)]
Zone = Annotated[str, AfterValidator(_zone)]

"""When a model's nights are, and which days its data covers."""

from __future__ import annotations

import re
from typing import Annotated, Self

from pydantic import AfterValidator, Field, model_validator

from pipelines.config.strict import Day, Strict, Truth, Zone

_DAILY = re.compile(r"([0-5]?[0-9]) ([01]?[0-9]|2[0-3]) \* \* \*\Z", re.ASCII)


def _daily(text: str) -> str:
    if not _DAILY.match(text):
        raise ValueError("a night is once a day: minute and hour, then three stars, as in 0 6 * * *")
    return text


class Schedule(Strict):
    """The days the model's data covers, and when its nights are; ages and delays count in data time.

    The night of day D is at `cron` (a time of day in `time_zone`) of the day after; it waits `wait_hours` for missing
    partitions, and takes what came late or corrected for the `late_days` before D.
    """

    start: Day
    end: Day | None = None
    cron: Annotated[str, AfterValidator(_daily)] = "0 6 * * *"
    time_zone: Zone = "UTC"
    wait_hours: Annotated[int, Field(ge=0, le=168)] = 6
    late_days: Annotated[int, Field(ge=0, le=366)] = 7
    catchup: Truth = False

    @model_validator(mode="after")
    def _ordered(self) -> Self:
        if self.end and self.end < self.start:
            raise ValueError(f"end {self.end} is before start {self.start}")
        return self

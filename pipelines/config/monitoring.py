"""What a night looks at when it monitors."""

from __future__ import annotations

from typing import Annotated, Literal

from pydantic import BeforeValidator, Field

from pipelines.config.strict import Column, Days, Strict, truth

# `false` and `no` mean `off`.
Shadow = Annotated[
    Literal["off", "previous", "challenger"], BeforeValidator(lambda value: "off" if truth(value) is False else value)
]


class Monitoring(Strict):
    """`window_days` newest days are compared with the champion's training days, and with the same weekdays of the
    `reference_days` before. `shadow` also scores with the champion before, or with the newest challenger.
    `columns_off` are features whose drift counts for nothing."""

    window_days: Days = 7
    reference_days: Days = 28
    shadow: Shadow = "off"
    columns_off: Annotated[tuple[Column, ...], Field(strict=False)] = ()

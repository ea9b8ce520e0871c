"""What a gate answers: a frozen record that a person and a machine can both read."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import asdict, dataclass, field
from enum import StrEnum
from typing import Any


class Mode(StrEnum):
    """Whether a gate may refuse a challenger or only reports."""

    ON = "on"
    REPORT = "report"


@dataclass(frozen=True)
class GateResult:
    """One gate's answer: what it observed, against which threshold, and why in one sentence."""

    name: str
    passed: bool
    observed: float | None
    threshold: float | None
    sentence: str
    mode: Mode = Mode.ON
    evidence: dict[str, Any] = field(default_factory=dict)

    @property
    def refuses(self) -> bool:
        """Whether this answer alone keeps the challenger from promotion."""
        return self.mode is Mode.ON and not self.passed


def as_json(results: Sequence[GateResult]) -> dict[str, Any]:
    """The gates' part of `gates.json`."""
    return {
        "passed": not any(result.refuses for result in results),
        "gates": [{**asdict(result), "mode": result.mode.value} for result in results],
    }


def number(value: float, *others: float) -> str:
    """`value` as a sentence shows it: four significant digits, or as many as tell it from `others`."""
    if abs(value) >= 100_000:
        return f"{value:,.0f}"
    different = [other for other in others if other != value]
    for digits in range(4, 9):
        text = f"{value:.{digits}g}"
        if all(text != f"{other:.{digits}g}" for other in different):
            return text
    return f"{value:.9g}"

"""What a gate answers: a frozen record that a person and a machine can both read."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import asdict, dataclass, field
from typing import Any

from pipelines.config.gates import Family, Mode


@dataclass(frozen=True)
class GateResult:
    """One gate's answer: what it observed, against which threshold, and why in one sentence.

    `interval` is the 95% interval of what was observed, where one is known. A name is its family's, or begins with it
    and a colon (`slices:carrier=AA`).
    """

    name: str
    passed: bool
    observed: float | None
    threshold: float | None
    sentence: str
    mode: Mode = Mode.ON
    evidence: dict[str, Any] = field(default_factory=dict)
    interval: tuple[float, float] | None = None

    @property
    def family(self) -> Family:
        """The family of the gate."""
        return Family(self.name.partition(":")[0])

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

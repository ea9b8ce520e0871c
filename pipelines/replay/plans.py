"""The policies that can be replayed: schedules by name, the model's own policy, and policies in files."""

from __future__ import annotations

import math
import re
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import date, timedelta
from fractions import Fraction
from pathlib import Path
from typing import Any

from pipelines.config.load import read_yaml
from pipelines.config.model import Model
from pipelines.config.policy import Policy
from pipelines.errors import ConfigError, shorten

DEFAULT = ("never", "monthly", "weekly", "nightly", "own")
_EVERY = {"nightly": 1, "weekly": 7}
_HALF = Fraction(1, 2)
_WORD = re.compile(r"every:([1-9][0-9]{0,3})\Z", re.ASCII)


@dataclass(frozen=True)
class Plan:
    """When to retrain: on the `days` of a calendar, or as `policy` decides; `folded` by what it is called."""

    name: str
    policy: Policy | None = None
    step: float | None = None
    monthly: bool = False

    def calendar(self, first: date, last: date, phase: float = 0.0) -> frozenset[date]:
        """The nights after `first` and before `last` on which a schedule retrains, shifted by `phase` days.

        Of n nights every(n / count) chooses `count`, whatever the phase: a half is always rounded up, exactly, and what
        is rounded past the last night is the first one's.
        """
        days = [first + timedelta(days=number) for number in range(1, (last - first).days)]
        if self.monthly:
            return frozenset(day for day in days if day.day == 1)
        if self.step is None:
            return frozenset()
        moments = (Fraction(phase) + number * Fraction(self.step) for number in range(len(days)))
        return frozenset(days[math.floor(moment + _HALF) % len(days)] for moment in moments if moment < len(days))


def plans(model: Model, named: Sequence[str]) -> list[Plan]:
    """What `named` stands for: `never`, `nightly`, `weekly`, `monthly`, `every:N`, `own`, or a YAML file's path.

    Raises:
        ConfigError: a name is none of these, or a file holds no policy.
    """
    return [_plan(model, name) for name in dict.fromkeys(named or DEFAULT)]


def every(days: float) -> Plan:
    """Retrains every so many days, which need not be whole."""
    return Plan(f"every {days:.3g} days", step=days)


def _plan(model: Model, name: str) -> Plan:
    if name == "never":
        return Plan(name)
    if name == "monthly":
        return Plan(name, monthly=True)
    if name in _EVERY:
        return Plan(name, step=_EVERY[name])
    if (found := _WORD.match(name)) is not None:
        return Plan(name, step=int(found[1]))
    if name == "own":
        return Plan(name, policy=model.policy)
    return Plan(Path(name).stem, policy=_read(Path(name)))


def _read(path: Path) -> Policy:
    if not path.is_file():
        raise ConfigError(
            f"{shorten(str(path))} is neither a file nor one of never, nightly, weekly, monthly, every:N, own",
            where="--policy",
            remedy="name one of these, or a YAML file with what stands under `policy` in model.yaml",
        )
    document = read_yaml(path)
    value: Any = document.value
    if isinstance(value, dict) and set(value) == {"policy"}:
        value = value["policy"]
    from dataclasses import replace

    return replace(document, value=value or {}).parse(Policy)

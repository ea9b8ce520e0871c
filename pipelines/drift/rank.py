"""Puts the drift of columns in order of what it means to a model: importance times effect."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass

from pipelines.drift.compare import ColumnDrift


@dataclass(frozen=True)
class Ranked:
    """A column's drift beside its share (0 to 1) of the model's importance; `weight` is their product."""

    drift: ColumnDrift
    importance: float

    @property
    def weight(self) -> float:
        """What this drift means to the model, 0 to 1."""
        return self.drift.effect * self.importance


def rank(drifts: Iterable[ColumnDrift], importance: Mapping[str, float]) -> tuple[Ranked, ...]:
    """What matters most first; of what matters alike, the larger effect, then by name.

    `importance` is a model's share by column; a column it does not name has none.
    """
    ranked = (Ranked(drift, importance.get(drift.name, 0.0)) for drift in drifts)
    return tuple(sorted(ranked, key=lambda item: (-item.weight, -item.drift.effect, item.drift.name)))


def score(ranked: Iterable[Ranked]) -> float:
    """The drift of a model's features as one number, 0 to 1: the sum of their weights."""
    return min(1.0, sum(item.weight for item in ranked))

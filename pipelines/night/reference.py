"""What a version's nights are compared with: the days it was trained on, and how it did on days it had not seen."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import date
from typing import Any, Self

from pipelines.drift.profile import Profile
from pipelines.ledger import nights
from pipelines.ledger.git import Ledger
from pipelines.performance.estimate import Estimator


@dataclass(frozen=True)
class Reference:
    """A version's past. `first` to `last` are the days it was trained on, the last of them the trial's test days.

    `prior` is what one would say of a row knowing no features; `scores` profile what the trial said of each of its
    test days, which it had not seen, and `metrics` are the trial's there. `importance` are shares of 1.
    """

    features_key: str
    first: date
    last: date
    estimator: Estimator
    prior: tuple[float, ...]
    importance: Mapping[str, float]
    metrics: Mapping[str, float]
    scores: tuple[Profile, ...]
    trained_rows: int
    train_seconds: float

    def to_json(self) -> dict[str, Any]:
        """Its JSON form."""
        return {
            "features_key": self.features_key,
            "first": self.first.isoformat(),
            "last": self.last.isoformat(),
            "estimator": self.estimator.to_json(),
            "prior": list(self.prior),
            "importance": dict(self.importance),
            "metrics": dict(self.metrics),
            "scores": list(self.scores),
            "trained_rows": self.trained_rows,
            "train_seconds": self.train_seconds,
        }

    @classmethod
    def from_json(cls, value: dict[str, Any]) -> Self:
        """The reference that `to_json` gave."""
        first, last = (date.fromisoformat(value[name]) for name in ("first", "last"))
        return cls(
            features_key=value["features_key"],
            first=first,
            last=last,
            estimator=Estimator.from_json(value["estimator"]),
            prior=tuple(value["prior"]),
            importance=value["importance"],
            metrics=value["metrics"],
            scores=tuple(value["scores"]),
            trained_rows=value["trained_rows"],
            train_seconds=value["train_seconds"],
        )


def name_of(run: str) -> str:
    """Where the branch `nights` keeps the reference of a run's version."""
    return f"references/{run}"


def known(ledger: Ledger, run: str) -> Reference | None:
    """The reference of a run's version, as of the last fetch; None: it has not been made."""
    found = nights.read_file(ledger, name_of(run))
    return Reference.from_json(found) if found else None

"""What a model's earlier nights decided and its retrainings came to: all that a policy may remember."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import date
from typing import Literal

from pipelines.policy.plain import Record

Outcome = Literal["promoted", "passed", "refused", "failed"]


@dataclass(frozen=True)
class Night(Record):
    """An earlier night: its verdict, the champion it looked at, and what each trigger scored."""

    day: date
    verdict: str
    champion: int | None = None
    scores: Mapping[str, float] = field(default_factory=dict)


@dataclass(frozen=True)
class Retraining(Record):
    """A retraining as of `day` and the seconds its training took. `passed`: nobody has promoted it (yet)."""

    day: date
    run: str
    seconds: float
    outcome: Outcome


@dataclass(frozen=True)
class History(Record):
    """Both of them, in order of day, oldest first."""

    nights: tuple[Night, ...] = ()
    retrainings: tuple[Retraining, ...] = ()

    def at(self, day: date) -> History:
        """What the night of `day` may know: the nights before it, and retrainings as of it or before."""
        return History(
            tuple(night for night in self.nights if night.day < day),
            tuple(item for item in self.retrainings if item.day <= day),
        )

    def scores(self, trigger: str) -> list[float]:
        """What `trigger` scored, night after night."""
        return [night.scores[trigger] for night in self.nights if trigger in night.scores]

    @property
    def last_retraining(self) -> date | None:
        """The newest day as of which a retraining ran, or whose night asked for one."""
        ran = [item.day for item in self.retrainings]
        asked = [night.day for night in self.nights if night.verdict == "retrain"]
        return max(ran + asked, default=None)

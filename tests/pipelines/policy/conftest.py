"""A night in 2013 on which nothing is the matter, to be spoilt one fact at a time."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from datetime import date, timedelta
from typing import Any

import pytest

from pipelines.config.policy import Policy
from pipelines.policy.decide import Decision, decide
from pipelines.policy.evidence import (
    ChampionFacts,
    ColumnFact,
    DriftFacts,
    EstimateFacts,
    Evidence,
    PerformanceFacts,
    Separability,
)
from pipelines.policy.history import History, Night, Retraining

DAY = date(2013, 6, 20)
CHAMPION = ChampionFacts(3, "2013-06-05-20260101T000000Z-abcdef", date(2013, 6, 5), date(2013, 6, 4), 60_000, 20.0)


def ago(days: int) -> date:
    return DAY - timedelta(days=days)


def matured(*losses: float, rows: int = 900, expected: float = 0.45) -> tuple[PerformanceFacts, ...]:
    """One day a loss, the newest last, which is the day before the night."""
    count = len(losses)
    return tuple(
        PerformanceFacts(ago(count - number), rows, loss, expected, {"log_loss": loss, "auc": 0.7}, 0.2, 0.2, 0.5)
        for number, loss in enumerate(losses)
    )


@pytest.fixture
def calm() -> Evidence:
    return Evidence(
        model="flights",
        day=DAY,
        champion=CHAMPION,
        age_days=15,
        drift=DriftFacts(0.02, (ColumnFact("carrier", 0.05, 0.4),), 0.01, 0.01, Separability(0.51, 0.49, 0.53, 5000)),
        performance=matured(*[0.45] * 7),
        reference={"log_loss": 0.45, "auc": 0.7},
        estimated=(EstimateFacts(DAY, "log_loss", 0.45, 0.4, 0.5, 900),),
        new_rows=9000,
    )


def nights(trigger: str, *scores: float, champion: int = 3, verdict: str = "wait") -> History:
    """A night a score, the newest last, which is the one before."""
    count = len(scores)
    return History(
        nights=tuple(
            Night(ago(count - number), verdict, champion, {trigger: score}) for number, score in enumerate(scores)
        )
    )


def retrained(*outcomes: str, last: int, seconds: float = 20.0) -> History:
    """A retraining an outcome, one a day, the newest last, `last` days ago."""
    count = len(outcomes)
    return History(
        retrainings=tuple(
            Retraining(ago(last + count - 1 - number), f"run{number}", seconds, outcome)  # type: ignore[arg-type]
            for number, outcome in enumerate(outcomes)
        )
    )


Judge = Callable[..., Decision]


@pytest.fixture
def judge(calm: Evidence) -> Judge:
    """The decision under `policy`, of the calm night with some facts changed."""

    def go(policy: dict[str, Any], history: History | None = None, **facts: Any) -> Decision:
        return decide(Policy.model_validate(policy), replace(calm, **facts), history or History())

    return go

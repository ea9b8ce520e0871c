"""What a model remembers of its earlier nights and retrainings, as policies take it."""

from __future__ import annotations

from datetime import date, timedelta

from pipelines.config.policy import Learnt, Policy
from pipelines.ledger import retrainings, verdicts
from pipelines.ledger.git import Ledger
from pipelines.policy.decide import Decision
from pipelines.policy.history import History, Retraining

# A threshold is learnt from a year, so that every season is in it; nights and months further back are never read.
LEARNT_DAYS = 365
LEAST_DAYS = 62


def days_back(policy: Policy) -> int:
    """How far back the rules of `policy` look."""
    every = policy.schedule.every_days if policy.schedule else 0
    thresholds = [getattr(rule, name, None) for rule in policy.rules.values() for name in ("threshold", "worse_by")]
    warm_up = max((item.warm_up for item in thresholds if isinstance(item, Learnt)), default=0)
    learnt = max(LEARNT_DAYS, warm_up) if warm_up else 0
    return max(LEAST_DAYS, every, policy.cooldown_days, policy.breaker.days, learnt)


def remember(ledger: Ledger, policy: Policy, day: date) -> History:
    """The nights before `day` and the retrainings as of `day` or before, as far back as `policy` looks.

    Raises:
        IntegrityError: the ledger holds something else there.
    """
    first = day - timedelta(days=days_back(policy))
    nights = verdicts.newest(ledger, first, day - timedelta(days=1))
    return History(
        nights=tuple(Decision.from_json(item).night for item in nights.values()),
        retrainings=tuple(Retraining.from_json(item) for item in retrainings.between(ledger, first, day)),
    )

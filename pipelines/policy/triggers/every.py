"""It is time again, whatever happened."""

from __future__ import annotations

from pipelines.config.policy import EveryRule
from pipelines.policy.answer import Answer, silent
from pipelines.policy.evidence import Evidence
from pipelines.policy.history import History

NAME = "schedule"


def judge(evidence: Evidence, history: History, rule: EveryRule) -> Answer:
    """Fired so many days after the last retraining."""
    known = [history.last_retraining, evidence.champion.as_of if evidence.champion else None]
    last = max((day for day in known if day is not None), default=None)
    if last is None:
        return silent(NAME, "nothing was ever trained")
    since = (evidence.day - last).days
    sentence = f"{since} days since the last retraining, one every {rule.every_days}"
    return Answer(NAME, since >= rule.every_days, float(since), float(rule.every_days), sentence)

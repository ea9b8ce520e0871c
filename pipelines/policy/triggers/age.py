"""The champion is old, in data time."""

from __future__ import annotations

from pipelines.config.policy import AgeRule
from pipelines.policy.answer import Answer, silent
from pipelines.policy.evidence import Evidence
from pipelines.policy.history import History

NAME = "age"


def judge(evidence: Evidence, history: History, rule: AgeRule) -> Answer:  # noqa: ARG001 - triggers are called alike
    """Fired once the champion is as old as the rule says."""
    if evidence.age_days is None:
        return silent(NAME, "there is no champion")
    age = evidence.age_days
    return Answer(NAME, age >= rule.days, float(age), float(rule.days), f"champion {age} days old, limit {rule.days}")

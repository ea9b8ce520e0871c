"""The champion is expected to do worse than it should, before labels have come."""

from __future__ import annotations

from pipelines.config.policy import EstimatedRule
from pipelines.policy.answer import Answer, repeated, silent
from pipelines.policy.evidence import Evidence
from pipelines.policy.history import History
from pipelines.policy.triggers.metric import main_metric, worse

NAME = "estimated_performance"


def judge(evidence: Evidence, history: History, rule: EstimatedRule) -> Answer:
    """Fired if the estimate is worse than on the champion's test days, now and often enough of late."""
    metric = rule.metric or main_metric(evidence)
    estimate = next((item for item in evidence.estimated if item.metric == metric), None)
    reference = evidence.reference.get(metric)
    if estimate is None or reference is None:
        return silent(NAME, f"{metric} is not estimated")
    score = worse(metric, estimate.value, reference)
    words = (
        f"{metric} of {estimate.day} estimated as {estimate.value:.4g} against {reference:.4g} in its test: worse by"
    )
    return repeated(NAME, words, score, rule.worse_by, rule, evidence, history)

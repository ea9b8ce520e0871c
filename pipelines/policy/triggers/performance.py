"""The champion does worse than it should, as labels that have come show."""

from __future__ import annotations

import math
from collections.abc import Sequence
from datetime import timedelta

from pipelines.config.policy import Learnt, PerformanceRule
from pipelines.policy.answer import Answer, resolve, silent, warming_up
from pipelines.policy.evidence import Evidence, PerformanceFacts
from pipelines.policy.history import History
from pipelines.policy.triggers.metric import main_metric, worse

NAME = "performance"
# What a share is taken of is never less: a yardstick of zero would make everything infinitely worse.
SMALLEST = 1e-9
_THAN = {
    "test": "on its own test days",
    "expected": "expected of these scores",
    "baseline": "of always saying the mean",
}


def judge(evidence: Evidence, history: History, rule: PerformanceRule) -> Answer:
    """Fired if quality is worse than the rule's yardstick by more than it allows."""
    days = evidence.performance if rule.add_up else _newest(evidence.performance, rule.over_days)
    rows = sum(item.rows for item in days)
    if len(days) < rule.min_days or rows < rule.min_rows:
        return silent(NAME, f"{len(days)} matured days with {rows} labelled rows are too few to judge by")
    found = _added_up(evidence, rule) if rule.add_up else _compared(evidence, rule, days)
    if found is None:
        return silent(NAME, f"{rule.metric or main_metric(evidence)} has nothing to be held against")
    score, sentence = found
    bound = resolve(rule.worse_by, history, NAME)
    if bound is None and isinstance(rule.worse_by, Learnt):
        return warming_up(NAME, score, history, rule.worse_by)
    return Answer(
        NAME, bound is not None and score > bound, score, bound, f"{sentence}; allowed are {_amount(rule, bound or 0)}"
    )


def _newest(facts: Sequence[PerformanceFacts], days: int) -> tuple[PerformanceFacts, ...]:
    return tuple(item for item in facts if item.day > facts[-1].day - timedelta(days=days))


def _compared(evidence: Evidence, rule: PerformanceRule, days: Sequence[PerformanceFacts]) -> tuple[float, str] | None:
    """How much worse these days are as one, and the sentence."""
    metric = rule.metric or main_metric(evidence)
    pairs = [pair for item in days if (pair := _pair(evidence, rule, metric, item))]
    rows = sum(weight for weight, _, _ in pairs)
    if not rows:
        return None
    now = sum(weight * value for weight, value, _ in pairs) / rows
    should = sum(weight * yardstick for weight, _, yardstick in pairs) / rows
    if metric == "rmse":
        now, should = math.sqrt(max(0.0, now)), math.sqrt(max(0.0, should))
    score = _excess(rule, metric, now, should)
    told = f"{metric} {now:.4g} over {len(days)} days against {should:.4g} {_THAN[rule.than]}"
    return score, f"{told}: worse by {_amount(rule, score)}"


def _added_up(evidence: Evidence, rule: PerformanceRule) -> tuple[float, str] | None:
    """What the days' excesses add up to (Page's cumulative sum), and the sentence."""
    metric = rule.metric or main_metric(evidence)
    total, days = 0.0, 0
    for item in evidence.performance:
        pair = _pair(evidence, rule, metric, item)
        if pair is None:
            continue
        now, should = (math.sqrt(max(0.0, value)) if metric == "rmse" else value for value in pair[1:])
        total = max(0.0, total + _excess(rule, metric, now, should) - rule.allowance)
        days += 1
    if not days:
        return None
    return total, f"{metric} worse than {_THAN[rule.than]} adds up to {_amount(rule, total)} over {days} days"


def _excess(rule: PerformanceRule, metric: str, now: float, should: float) -> float:
    score = worse(metric, now, should)
    return score / max(abs(should), SMALLEST) if rule.relative else score


def _amount(rule: PerformanceRule, score: float) -> str:
    return f"{score:+.1%}" if rule.relative else f"{score:+.3g}"


def _pair(
    evidence: Evidence, rule: PerformanceRule, metric: str, item: PerformanceFacts
) -> tuple[int, float, float] | None:
    """A day's rows, its value, and what that is held against; of RMSE the squares, which can be averaged."""
    own = metric == main_metric(evidence)
    now = item.loss if own else item.metrics.get(metric)
    should = {"test": _test(evidence, metric), "expected": item.estimated_loss, "baseline": item.baseline_loss}[
        rule.than
    ]
    return None if now is None or should is None else (item.rows, now, should)


def _test(evidence: Evidence, metric: str) -> float | None:
    value = evidence.reference.get(metric)
    return value**2 if metric == "rmse" and value is not None else value

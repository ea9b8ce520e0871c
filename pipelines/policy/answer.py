"""What a trigger answers, and how one that looks at several nights comes to it."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import timedelta

from pipelines.config.policy import Learnt, Repeated, Threshold
from pipelines.policy.evidence import Evidence
from pipelines.policy.history import History
from pipelines.policy.plain import Record


@dataclass(frozen=True)
class Answer(Record):
    """One trigger's answer. `score` None: there was nothing to judge by; `threshold` None: none is learnt yet."""

    name: str
    fired: bool
    score: float | None
    threshold: float | None
    sentence: str


def silent(name: str, why: str) -> Answer:
    """The answer of a trigger that has nothing to judge by."""
    return Answer(name, False, None, None, why)


def resolve(threshold: Threshold, history: History, name: str) -> float | None:
    """The number behind `threshold`; None while the nights to learn it from are too few."""
    if not isinstance(threshold, Learnt):
        return float(threshold)
    seen = sorted(history.scores(name))
    if len(seen) < threshold.warm_up:
        return None
    at = threshold.quantile * (len(seen) - 1)
    low = int(at)
    high = min(low + 1, len(seen) - 1)
    return seen[low] + (seen[high] - seen[low]) * (at - low)


def warming_up(name: str, score: float, history: History, threshold: Learnt) -> Answer:
    """The answer while a threshold is learnt."""
    seen = len(history.scores(name))
    return Answer(
        name, False, score, None, f"its threshold is learnt from {threshold.warm_up} nights, {seen} are there"
    )


def repeated(
    name: str, what: str, score: float, threshold: Threshold, rule: Repeated, evidence: Evidence, history: History
) -> Answer:
    """Fired if `score` and those of `rule.days` of the newest `rule.of` nights of this champion are over `threshold`.

    `what` names the score in the sentence.
    """
    bound = resolve(threshold, history, name)
    if bound is None:
        assert isinstance(threshold, Learnt)  # noqa: S101 - for the type checker: any other threshold is a number
        return warming_up(name, score, history, threshold)
    over = int(score > bound) + sum(earlier > bound for earlier in _earlier(name, rule.of, evidence, history))
    fired = score > bound and over >= rule.days
    sentence = f"{what} {score:.3g}, threshold {bound:.3g}; over it on {over} of the newest {rule.of} nights"
    return Answer(name, fired, score, bound, f"{sentence}, {rule.days} are needed" if rule.of > 1 else sentence)


def _earlier(name: str, nights: int, evidence: Evidence, history: History) -> list[float]:
    """The scores of the `nights` - 1 days before, as far as they looked at the champion of today."""
    first = evidence.day - timedelta(days=nights - 1)
    version = evidence.champion.version if evidence.champion else None
    return [
        night.scores[name]
        for night in history.nights
        if first <= night.day and night.champion == version and name in night.scores
    ]

"""Whether the newest days are out of the ordinary, told from what they lost more than was expected of their scores."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import date, timedelta

from pipelines.config.policy import Unsettled
from pipelines.policy.evidence import PerformanceFacts


def nights_unsettled(rule: Unsettled, facts: Sequence[PerformanceFacts]) -> int:
    """For how many nights on end, the newest included, the days before each have been out of the ordinary.

    Counted up to one more than `rule.at_most`; 0 if they are usual, or if nothing was expected of them.
    """
    if not facts:
        return 0
    nights = 0
    while nights <= rule.at_most and _unsettled(rule, facts, facts[-1].day - timedelta(days=nights)):
        nights += 1
    return nights


def _unsettled(rule: Unsettled, facts: Sequence[PerformanceFacts], last: date) -> bool:
    newest, longer = (_excess(facts, last, days) for days in (rule.days, rule.of))
    # What lasts is no storm: only what the newest days lost beyond it counts.
    return newest is not None and longer is not None and newest - max(0.0, longer) > rule.worse_by


def _excess(facts: Sequence[PerformanceFacts], last: date, days: int) -> float | None:
    """What the `days` through `last` lost more than expected, as a share of that; None where there is none of them."""
    chosen = [
        (item.rows, item.loss, item.estimated_loss)
        for item in facts
        if last - timedelta(days=days) < item.day <= last and item.estimated_loss is not None
    ]
    expected = sum(rows * should for rows, _, should in chosen)
    return sum(rows * loss for rows, loss, _ in chosen) / expected - 1 if expected > 0 else None

"""Enough new rows to learn from."""

from __future__ import annotations

from pipelines.config.policy import NewRowsRule
from pipelines.policy.answer import Answer
from pipelines.policy.evidence import Evidence
from pipelines.policy.history import History

NAME = "new_rows"


def judge(evidence: Evidence, history: History, rule: NewRowsRule) -> Answer:  # noqa: ARG001 - triggers are called alike
    """Fired once as many labelled rows have come as the rule says."""
    rows = evidence.new_rows
    return Answer(
        NAME, rows >= rule.rows, float(rows), float(rule.rows), f"{rows} new labelled rows, {rule.rows} are needed"
    )

"""Somebody asked."""

from __future__ import annotations

from pipelines.config.policy import RequestRule
from pipelines.errors import shorten
from pipelines.policy.answer import Answer
from pipelines.policy.evidence import Evidence
from pipelines.policy.history import History

NAME = "request"


def judge(evidence: Evidence, history: History, rule: RequestRule) -> Answer:  # noqa: ARG001 - triggers are called alike
    """Fired while a request is open."""
    count = len(evidence.requests)
    sentence = f"asked for by {shorten(', '.join(evidence.requests), 120)}" if count else "nobody asked"
    return Answer(NAME, count > 0, float(count), 1.0, sentence)

"""Scores must be numbers and must differ: NaN, infinity and one score for every row refuse."""

from __future__ import annotations

from pipelines.config.gates import Gates
from pipelines.evaluation.record import Measured, ScoreFacts
from pipelines.gates.base import GateResult, number


def judge(measured: Measured, gates: Gates) -> list[GateResult]:  # noqa: ARG001 - every family is asked alike
    """One answer for the trial and one for the release."""
    return [_sane("trial", measured.trial_scores), _sane("release", measured.release_scores)]


def _sane(model: str, facts: ScoreFacts) -> GateResult:
    evidence = {"rows": facts.rows, "low": facts.low, "high": facts.high}
    low, high = facts.low, facts.high
    if facts.broken or low is None or high is None:
        sentence = f"{facts.broken:,} of the {model}'s {facts.rows:,} scores are no finite number"
    elif low == high:
        sentence = f"the {model} gives all {facts.rows:,} rows the same score, {number(low)}"
    else:
        sentence = f"the {model}'s {facts.rows:,} scores lie between {number(low, high)} and {number(high, low)}"
    passed = not facts.broken and low != high
    return GateResult(f"sanity:{model}", passed, float(facts.broken), 0.0, sentence, evidence=evidence)

"""Scores must behave as the model's author said: stay where a feature must not matter, move the way it must."""

from __future__ import annotations

from pipelines.config.gates import Direction, Gates, Invariance
from pipelines.evaluation.behaviour import Moved, Turned
from pipelines.evaluation.record import Measured
from pipelines.gates.base import GateResult, number

# Sums of float32 scores move by about this much without any cause.
SLACK = 1e-9


def judge(measured: Measured, gates: Gates) -> list[GateResult]:
    """One answer for every rule of `gates.behaviour`, in their order."""
    found = measured.behaviour
    if found is None:
        return []
    rule = gates.behaviour
    still = [_stays(one, moved, found.rows) for one, moved in zip(rule.invariance, found.invariance, strict=True)]
    return still + [_turns(one, turn, found.rows) for one, turn in zip(rule.direction, found.direction, strict=True)]


def _stays(rule: Invariance, moved: Moved, rows: int) -> GateResult:
    name = f"behaviour:{rule.column}"
    evidence = {"rows": rows, "value": moved.value}
    if moved.mean is None:
        sentence = f"with {rule.column} set to {moved.value}, some of {rows:,} scores are no finite number"
        return GateResult(name, False, None, rule.tolerance, sentence, evidence=evidence)
    passed = moved.mean <= rule.tolerance
    sentence = (
        f"with {rule.column} set to {moved.value} everywhere, scores move by {number(moved.mean, rule.tolerance)} "
        f"on average; at most {number(rule.tolerance, moved.mean)} is allowed"
    )
    return GateResult(name, passed, moved.mean, rule.tolerance, sentence, evidence=evidence)


def _turns(rule: Direction, turn: Turned, rows: int) -> GateResult:
    name = f"behaviour:{rule.column}:{rule.score}"
    evidence = {"rows": rows, "by": turn.by, "rising_share": turn.rising}
    if turn.change is None:
        sentence = f"with {rule.column} grown by {number(rule.by)}, some of {rows:,} scores are no finite number"
        return GateResult(name, False, None, 0.0, sentence, evidence=evidence)
    passed = turn.change >= -SLACK if rule.score == "rise" else turn.change <= SLACK
    verb = "rises" if turn.change > 0 else "falls" if turn.change < 0 else "stays as it is,"
    by = f" by {number(abs(turn.change))}" if turn.change else ""
    sentence = f"when {rule.column} grows by {number(rule.by)} the mean score {verb}{by}; it must {rule.score} or stay"
    return GateResult(name, passed, turn.change, 0.0, sentence, evidence=evidence)

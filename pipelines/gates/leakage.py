"""What is too good to be true: one feature that tells the label, or features that tell training from test rows."""

from __future__ import annotations

from pipelines.config.gates import Gates, LeakageGate
from pipelines.evaluation.leakage import LeakageFacts
from pipelines.evaluation.record import Measured
from pipelines.gates.base import GateResult, number


def judge(measured: Measured, gates: Gates) -> list[GateResult]:
    """One answer about single features, one about clocks, one about membership; the latter where they can be told."""
    facts = measured.leakage
    if facts is None:
        return []
    results = [_single(facts, gates.leakage)]
    if facts.clock is not None:
        results.append(_clock(*facts.clock, gates.leakage))
    return [*results, _membership(facts, gates.leakage)] if facts.membership is not None else results


def _single(facts: LeakageFacts, rule: LeakageGate) -> GateResult:
    bound = rule.single_feature
    evidence = {"measure": facts.measure, "rows": facts.rows, "features": dict(facts.single)}
    name, most = facts.single[0]
    leaks = [feature for feature, found in facts.single if found > bound]
    told = f"{name} alone comes to {facts.measure} {number(most, bound)} on the label"
    if leaks:
        others = f", and so do {', '.join(leaks[1:])}" if len(leaks) > 1 else ""
        sentence = (
            f"{told}{others}, over {number(bound, most)}: it knows what was not known then; if it is known only after "
            "the event, put it in after_event"
        )
    else:
        sentence = f"{told}, the most that one feature does; up to {number(bound, most)} is allowed"
    return GateResult("leakage:single_feature", not leaks, most, bound, sentence, evidence=evidence)


def _clock(name: str, follows: float, rule: LeakageGate) -> GateResult:
    """A counter or a date among the features: every test row lies beyond what training rows have shown of it."""
    bound = rule.membership
    passed = follows <= bound
    told = f"{name} follows the order of the rows with a rank correlation of {number(follows, bound)}"
    if passed:
        sentence = f"{told}, the most that a feature does; up to {number(bound, follows)} is allowed"
    else:
        sentence = f"{told}, over {number(bound, follows)}: it counts rows or days, and days to come are beyond it"
    return GateResult("leakage:clock", passed, follows, bound, sentence, evidence={"feature": name})


def _membership(facts: LeakageFacts, rule: LeakageGate) -> GateResult:
    found, bound = facts.membership, rule.membership
    passed = found is not None and found <= bound
    value = 0.0 if found is None else found
    verdict = f"up to {number(bound, value)} is allowed" if passed else f"over {number(bound, value)}"
    why = "" if passed else ": the test days are of another world, or a feature knows which rows were held back"
    sentence = f"a classifier tells test rows from training rows with AUC {number(value, bound)}, {verdict}{why}"
    return GateResult("leakage:membership", passed, found, bound, sentence, interval=facts.membership_interval)

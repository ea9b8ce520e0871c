"""A score must mean what it says: bounds on how far scores are from labels, in parts and as a whole."""

from __future__ import annotations

from pipelines.config.gates import Gates
from pipelines.config.model import Task
from pipelines.evaluation.record import Measured
from pipelines.gates.base import GateResult, number


def judge(measured: Measured, gates: Gates) -> list[GateResult]:
    """One answer about the calibration error, one about the bias; a number that cannot be known refuses."""
    facts, rule = measured.calibration, gates.calibration
    if facts is None:
        return []
    spread = " standard deviations of the label" if measured.task is Task.REGRESSION else ""
    of = f" of class {facts.error_of}" if facts.error_of else ""
    evidence = {"rows": facts.rows, "class": facts.error_of or None}
    if facts.error is None:
        sentence = f"the calibration error cannot be computed on these {facts.rows:,} rows"
        error = GateResult("calibration:error", False, None, rule.max_error, sentence, evidence=evidence)
    else:
        passed = facts.error <= rule.max_error
        sentence = (
            f"by 15 bins scores{of} are {number(facts.error, rule.max_error)}{spread} from the labels on average, "
            f"{'within' if passed else 'beyond'} {number(rule.max_error, facts.error)}"
        )
        error = GateResult("calibration:error", passed, facts.error, rule.max_error, sentence, evidence=evidence)
    return [error, _bias(measured, gates)]


def _bias(measured: Measured, gates: Gates) -> GateResult:
    facts, bound = measured.calibration, gates.calibration.max_bias
    value = facts.bias if facts else None
    evidence = {"rows": facts.rows if facts else 0, "class": (facts.bias_of if facts else "") or None}
    if facts is None or value is None:
        sentence = "the mean score cannot be compared with the mean label"
        return GateResult("calibration:bias", False, None, bound, sentence, evidence=evidence)
    passed = abs(value) <= bound
    unit = "of the label's standard deviation" if measured.task is Task.REGRESSION else "of the mean label"
    of = f" of class {facts.bias_of}" if facts.bias_of else ""
    sentence = (
        f"the mean score{of} is {abs(value):.1%} {unit} too {'high' if value > 0 else 'low'}, "
        f"{'within' if passed else 'beyond'} {bound:.0%}"
    )
    return GateResult("calibration:bias", passed, value, bound, sentence, evidence=evidence)

"""The release must score as the trial does: the gates judge the trial, and the release is what is promoted."""

from __future__ import annotations

from pipelines.config.gates import Gates
from pipelines.evaluation.record import Measured
from pipelines.gates.base import GateResult, number


def judge(measured: Measured, gates: Gates) -> list[GateResult]:
    """One answer: the mean difference of the two models' scores on rows both have seen is within the bound."""
    mean, bound = measured.agreement.mean, gates.agreement
    evidence = {"max": measured.agreement.max, "rows": measured.agreement.rows}
    if mean is None:
        sentence = "trial and release cannot be compared: some of their scores are no numbers"
        return [GateResult("agreement", False, None, bound, sentence, evidence=evidence)]
    passed = mean <= bound
    verdict = "within" if passed else "beyond"
    sentence = (
        f"release and trial differ by {number(mean, bound)} on average, {verdict} the bound of {number(bound, mean)}"
    )
    return [GateResult("agreement", passed, mean, bound, sentence, evidence=evidence)]

"""Better than a plain linear model on the same test rows: what is not is not worth its upkeep."""

from __future__ import annotations

from pipelines.config.gates import Gates
from pipelines.evaluation.metrics import HIGHER_IS_BETTER, default_metric
from pipelines.evaluation.record import Measured
from pipelines.gates.base import GateResult, number


def judge(measured: Measured, gates: Gates) -> list[GateResult]:
    """One answer, on the gate's own metric or that of the champion gate, over all test rows."""
    rule = gates.baseline
    metric = rule.metric or gates.champion.metric or default_metric(measured.task)
    ours, theirs = measured.challenger[metric], measured.baseline[metric]
    evidence = {"metric": metric, "rows": measured.rows}
    if ours is None or theirs is None:
        sentence = f"{metric} cannot be computed for challenger and baseline"
        return [GateResult("baseline", False, ours, theirs, sentence, evidence=evidence)]
    better = ours - theirs if metric in HIGHER_IS_BETTER else theirs - ours
    passed = better > -rule.margin
    verdict = "better" if better > 0 else "no better"
    allowed = f"; at most {number(rule.margin)} worse is allowed" if rule.margin else ""
    sentence = (
        f"{metric} {number(ours, theirs)} is {verdict} than the linear baseline's {number(theirs, ours)}{allowed}"
    )
    return [GateResult("baseline", passed, ours, theirs, sentence, evidence=evidence)]

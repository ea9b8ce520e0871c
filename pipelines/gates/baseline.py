"""Better than a plain linear model on the same test rows: reported, not enforced."""

from __future__ import annotations

from pipelines.config.model import Gates
from pipelines.evaluation.metrics import HIGHER_IS_BETTER, default_metric
from pipelines.evaluation.record import Measured
from pipelines.gates.base import GateResult, Mode, number


def judge(measured: Measured, gates: Gates) -> list[GateResult]:
    """One answer in mode report, on the champion gate's metric over all test rows."""
    metric = gates.champion.metric or default_metric(measured.task)
    ours, theirs = measured.challenger[metric], measured.baseline[metric]
    evidence = {"metric": metric, "rows": measured.rows}
    if ours is None or theirs is None:
        sentence = f"{metric} cannot be computed for challenger and baseline"
        return [GateResult("baseline", False, ours, theirs, sentence, Mode.REPORT, evidence)]
    passed = ours > theirs if metric in HIGHER_IS_BETTER else ours < theirs
    verdict = "better" if passed else "no better"
    sentence = f"{metric} {number(ours, theirs)} is {verdict} than the linear baseline's {number(theirs, ours)}"
    return [GateResult("baseline", passed, ours, theirs, sentence, Mode.REPORT, evidence)]

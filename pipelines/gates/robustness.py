"""A spoilt input may cost no more than its bound: a feature missing, shaken, in another unit, or unknown."""

from __future__ import annotations

from pipelines.config.gates import Gates, RobustnessGate
from pipelines.evaluation.record import Measured
from pipelines.evaluation.robustness import Robustness
from pipelines.gates.base import GateResult, number

SAID = {
    "missing": "with {} missing",
    "noise": "with {} shaken by a tenth of its spread",
    "unit": "with {} in another unit (x 1.609)",
    "unknown": "with a value of {} never seen before",
}
WORST = 3


def judge(measured: Measured, gates: Gates) -> list[GateResult]:
    """One answer for every kind of spoiling that some feature can suffer; the evidence names the worst features."""
    found = measured.robustness
    if found is None:
        return []
    bounds = _bounds(gates.robustness)
    return [_judged(found, kind, bounds[kind]) for kind in SAID if found.of(kind)]


def _bounds(rule: RobustnessGate) -> dict[str, float]:
    return {"missing": rule.missing, "noise": rule.noise, "unit": rule.unit, "unknown": rule.unknown}


def _judged(found: Robustness, kind: str, bound: float) -> GateResult:
    ranked = found.of(kind)
    worst = ranked[0]
    evidence = {
        "rows": found.rows,
        "loss": found.loss,
        "scale": found.scale,
        "worst": [{"feature": item.feature, "growth": item.growth} for item in ranked[:WORST]],
        "features": len(ranked),
    }
    what = SAID[kind].format(worst.feature)
    if worst.growth is None:
        passed, sentence = False, f"{what}, some of {found.rows:,} scores are no finite number"
    else:
        passed = worst.growth <= bound
        sentence = (
            f"{what}, the worst of {len(ranked)}, the mean loss grows by {number(worst.growth, bound)} times "
            f"{number(found.scale or 0.0)}, what knowing nothing loses; at most {number(bound, worst.growth)} times is "
            "allowed"
        )
    return GateResult(f"robustness:{kind}", passed, worst.growth, bound, sentence, evidence=evidence)

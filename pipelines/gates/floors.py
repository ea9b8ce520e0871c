"""Absolute bounds: a metric of the challenger on all test rows must reach its floor, or stay below its ceiling."""

from __future__ import annotations

from pipelines.config.gates import Gates
from pipelines.evaluation.record import Measured
from pipelines.gates.base import GateResult, number


def judge(measured: Measured, gates: Gates) -> list[GateResult]:
    """One answer for every floor, then for every ceiling, in order of name. A metric that is None passes neither."""
    floors = [_bound(measured, name, bound, floor=True) for name, bound in sorted(gates.floors.items())]
    return floors + [_bound(measured, name, bound, floor=False) for name, bound in sorted(gates.ceilings.items())]


def _bound(measured: Measured, metric: str, bound: float, *, floor: bool) -> GateResult:
    value = measured.challenger[metric]
    kind = "floor" if floor else "ceiling"
    passed = value is not None and (value >= bound if floor else value <= bound)
    if value is None:
        sentence = f"{metric} cannot be computed on these {measured.rows:,} test rows, so it meets no {kind}"
    else:
        word = {(True, True): "reaches", (True, False): "is below", (False, True): "keeps under"}
        verdict = word.get((floor, passed), "is above")
        sentence = f"{metric} {number(value, bound)} {verdict} its {kind} of {number(bound, value)}"
    return GateResult(f"floors:{metric}", passed, value, bound, sentence, evidence={"rows": measured.rows})

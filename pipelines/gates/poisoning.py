"""The newest days of training may not look tampered with: labels flipped, or rows that came more than once."""

from __future__ import annotations

from typing import Any

from pipelines.config.gates import Gates
from pipelines.evaluation.poisoning import Poisoning
from pipelines.evaluation.record import Measured
from pipelines.gates.base import GateResult, number


def judge(measured: Measured, gates: Gates) -> list[GateResult]:
    """One answer for labels, one for copies. Rows that cannot tell (no order to compare with) pass, and say so."""
    found = measured.poisoning
    if found is None:
        return []
    rule = gates.poisoning
    return [_labels(found, rule.max_flipped), _copies(found, rule.max_duplicates)]


def _labels(found: Poisoning, bound: float) -> GateResult:
    evidence: dict[str, Any] = {
        "rows": found.rows,
        "order": found.order,
        "order_before": found.order_before,
        "usual": found.usual,
    }
    evidence |= _days(found)
    if found.flipped is None or found.order is None or found.order_before is None:
        sentence = f"labels of {found.first} to {found.last} cannot be checked: scores order too few"
        return GateResult("poisoning:labels", True, None, bound, sentence, evidence=evidence)
    # What days before showed of themselves is no poisoning, and neither is what chance explains.
    bound = max(bound, found.usual)
    least = found.interval[0] if found.interval else found.flipped
    passed = least <= bound
    sentence = (
        f"scores order the {found.rows:,} labels of {found.first} to {found.last} to {number(found.order)}, those "
        f"before to {number(found.order_before)}: as if {number(found.flipped, bound)} of them had been flipped, "
        f"{number(least, bound)} at least; at most {number(bound, least)} is allowed"
    )
    return GateResult(
        "poisoning:labels", passed, found.flipped, bound, sentence, evidence=evidence, interval=found.interval
    )


def _copies(found: Poisoning, bound: float) -> GateResult:
    more = max(0.0, found.copies - found.copies_before)
    evidence = {"copies": found.copies, "copies_before": found.copies_before, **_days(found)}
    sentence = (
        f"{number(found.copies)} of the rows of {found.first} to {found.last} are like another in every feature and "
        f"the label, against {number(found.copies_before)} at most in as many days before; "
        f"{number(bound)} more are allowed"
    )
    return GateResult("poisoning:copies", more <= bound, float(f"{more:.9g}"), bound, sentence, evidence=evidence)


def _days(found: Poisoning) -> dict[str, str]:
    return {"first": found.first.isoformat(), "last": found.last.isoformat()}

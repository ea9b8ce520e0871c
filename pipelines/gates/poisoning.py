"""No window of test days may look tampered with: labels flipped, or rows that came more than once."""

from __future__ import annotations

from typing import Any

from pipelines.config.gates import Gates
from pipelines.evaluation.poisoning import Copies, Labels, Poisoning
from pipelines.evaluation.record import Measured
from pipelines.gates.base import GateResult, number


def judge(measured: Measured, gates: Gates) -> list[GateResult]:
    """One answer for labels, one for copies. Rows that cannot tell (no order to compare with) pass, and say so."""
    found = measured.poisoning
    if found is None:
        return []
    rule = gates.poisoning
    return [_labels(found, rule.max_flipped), _copies(found.copies, rule.max_duplicates)]


def _labels(found: Poisoning, bound: float) -> GateResult:
    worst, watched = found.labels, {"first": found.first.isoformat(), "last": found.last.isoformat()}
    evidence: dict[str, Any] = {"watched": watched, "order_before": found.order_before, "usual": found.usual}
    if worst is None or found.order_before is None:
        sentence = f"labels of {found.first} to {found.last} cannot be checked: scores order too few"
        return GateResult("poisoning:labels", True, None, bound, sentence, evidence=evidence)
    # What days before showed of themselves is no poisoning, and neither is what chance explains.
    bound = max(bound, found.usual)
    least = worst.interval[0]
    passed = least <= bound
    evidence |= {"rows": worst.rows, "order": worst.order, "relearnt": worst.relearnt, **_days(worst)}
    learnt = ", and by what models learn of these days themselves," if worst.relearnt else ","
    sentence = (
        f"of all {found.days} days in a row from {found.first} to {found.last}, {worst.first} to {worst.last} look "
        f"worst: scores order their {worst.rows:,} labels to {number(worst.order)}, those of the days before the test "
        f"to {number(found.order_before)}{learnt} as if {number(worst.flipped, bound)} of them had been flipped, "
        f"{number(least, bound)} at least; at most {number(bound, least)} is allowed"
    )
    return GateResult(
        "poisoning:labels", passed, worst.flipped, bound, sentence, evidence=evidence, interval=worst.interval
    )


def _copies(found: Copies, bound: float) -> GateResult:
    more = max(0.0, found.share - found.before)
    evidence = {"copies": found.share, "copies_before": found.before, **_days(found)}
    sentence = (
        f"{number(found.share)} of the rows of {found.first} to {found.last} are like another in every feature and "
        f"the label, against {number(found.before)} at most in as many days before the test; "
        f"{number(bound)} more are allowed"
    )
    return GateResult("poisoning:copies", more <= bound, float(f"{more:.9g}"), bound, sentence, evidence=evidence)


def _days(found: Labels | Copies) -> dict[str, str]:
    return {"first": found.first.isoformat(), "last": found.last.isoformat()}

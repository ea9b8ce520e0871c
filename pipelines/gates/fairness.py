"""Gaps between the groups of declared attributes: who is selected, who of those that deserve it, and by what ratio."""

from __future__ import annotations

from dataclasses import asdict

from pipelines.config.gates import Gates
from pipelines.evaluation.fairness import Gaps, Interval
from pipelines.evaluation.record import Measured
from pipelines.gates.base import GateResult, number


def judge(measured: Measured, gates: Gates) -> list[GateResult]:
    """Three answers per attribute; an attribute without two groups of enough rows refuses, for nothing is shown."""
    rule = gates.fairness
    results = []
    for item in measured.fairness or ():
        bounds = (
            ("selection", item.selection, item.selection_interval, rule.max_selection_gap),
            ("opportunity", item.opportunity, item.opportunity_interval, rule.max_opportunity_gap),
            ("impact", item.impact, item.impact_interval, rule.min_impact_ratio),
        )
        results += [_judged(item, *bound) for bound in bounds]
    return results


_SAID = {
    "selection": "selected shares differ by",
    "opportunity": "shares selected of those whose label is 1 differ by",
    "impact": "the least selected group's share is, of the most selected's,",
}


def _judged(item: Gaps, what: str, found: float | None, interval: Interval | None, bound: float) -> GateResult:
    name = f"fairness:{item.attribute}:{what}"
    evidence = {"groups": [asdict(group) for group in item.groups], "left_out_rows": item.left_out}
    if found is None:
        sentence = (
            f"{item.attribute} has no two groups with rows enough to compare ({item.left_out:,} rows are in groups "
            "too small): set gates.fairness.min_rows, or take it off the attributes"
        )
        return GateResult(name, False, None, bound, sentence, evidence=evidence)
    passed = found >= bound if what == "impact" else found <= bound
    between = f", 95% between {number(interval[0])} and {number(interval[1])}" if interval else ""
    allowed = "at least" if what == "impact" else "at most"
    sentence = (
        f"between {len(item.groups)} groups of {item.attribute} {_SAID[what]} {number(found, bound)}{between}; "
        f"{allowed} {number(bound, found)} is asked"
    )
    return GateResult(name, passed, found, bound, sentence, evidence=evidence, interval=interval)

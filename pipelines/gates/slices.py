"""No slice may pay for the average: bounds in every slice, against the champion, and in segments nobody has named."""

from __future__ import annotations

from pipelines.config.gates import Gates, SlicesGate
from pipelines.config.model import Task
from pipelines.evaluation.metrics import default_metric
from pipelines.evaluation.record import Measured
from pipelines.evaluation.segments import Part, Segment, SliceFacts
from pipelines.gates.base import GateResult, number


def judge(measured: Measured, gates: Gates) -> list[GateResult]:
    """Per slice column one answer for each bound, one against the champion where there is one; one about segments."""
    facts, rule = measured.slices, gates.slices
    if facts is None:
        return []
    results = []
    for column in sorted({part.column for part in facts.parts}):
        parts = [part for part in facts.parts if part.column == column]
        results += [_bound(column, parts, name, bound, floor=True) for name, bound in sorted(rule.floors.items())]
        results += [_bound(column, parts, name, bound, floor=False) for name, bound in sorted(rule.ceilings.items())]
        if any(part.champion is not None for part in parts):
            results.append(_against(column, parts, rule, measured.task))
    return [*results, _segments(facts, rule)]


def _bound(column: str, parts: list[Part], metric: str, bound: float, *, floor: bool) -> GateResult:
    """The slice that comes closest to the bound, or is furthest beyond it; a slice that has no such metric is named."""
    known = {part.value: part.challenger[metric] for part in parts}
    values = {value: found for value, found in known.items() if found is not None}
    kind = "floor" if floor else "ceiling"
    name = f"slices:{column}:{metric}"
    unknown = [value for value in known if value not in values]
    evidence = {"slices": len(parts), "values": values, "unknown": unknown}
    if not values:
        sentence = f"{metric} cannot be computed in any slice of {column}, so none meets its {kind}"
        return GateResult(name, False, None, bound, sentence, evidence=evidence)
    worst = (min if floor else max)(values, key=lambda value: (values[value], value))
    found = values[worst]
    within = found >= bound if floor else found <= bound
    verdict = f"within the {kind}" if within else f"beyond the {kind}"
    rows = next(part.rows for part in parts if part.value == worst)
    sentence = (
        f"of {len(values)} slices of {column} the worst is {worst}: {metric} {number(found, bound)} on {rows:,} rows, "
        f"{verdict} of {number(bound, found)}"
    )
    # One class only, say: nobody can tell, and silence passes nothing.
    if unknown:
        sentence += f"; it cannot be computed in {', '.join(unknown[:5])}"
    return GateResult(name, within and not unknown, found, bound, sentence, evidence=evidence)


def _against(column: str, parts: list[Part], rule: SlicesGate, task: Task) -> GateResult:
    metric = default_metric(task)
    name = f"slices:{column}"
    more = {part.value: _more(part, metric) for part in parts}
    values = {value: found for value, found in more.items() if found is not None}
    broken = sorted(value for value in more if value not in values)
    evidence = {"metric": metric, "slices": len(parts), "more": values, "unknown": broken}
    if broken:
        sentence = f"{metric} cannot be compared with the champion's in {column} {', '.join(broken[:5])}"
        return GateResult(name, False, None, rule.max_loss, sentence, evidence=evidence)
    worst = max(values, key=lambda value: (values[value], value))
    found = values[worst]
    # 0.51 - 0.50 is a hair more than 0.01 in binary.
    passed = found <= rule.max_loss + 1e-9
    rows = next(part.rows for part in parts if part.value == worst)
    compared = f"{abs(found):.1%} {'more' if found > 0 else 'less'} than"
    sentence = (
        f"of {len(values)} slices of {column} the worst against the champion is {worst}: {metric} is {compared} the "
        f"champion's on {rows:,} rows; at most {rule.max_loss:.0%} more is allowed"
    )
    return GateResult(name, passed, float(f"{found:.9g}"), rule.max_loss, sentence, evidence=evidence)


def _more(part: Part, metric: str) -> float | None:
    """How much more than the champion the challenger loses there, relative to the champion."""
    ours, theirs = part.challenger[metric], (part.champion or {}).get(metric)
    if ours is None or theirs is None:
        return None
    return (ours - theirs) / theirs if theirs > 0 else float(ours > theirs)


def _segments(facts: SliceFacts, rule: SlicesGate) -> GateResult:
    """Refused only where a segment loses more than its own mean label would: hard rows are no fault of the model."""
    bad = [item for item in facts.segments if _is_bad(item, rule)]
    evidence = {
        "rows": facts.rows,
        "segments": [
            {
                "rule": item.rule,
                "rows": item.rows,
                "loss": item.loss,
                "ratio": item.ratio,
                "mean_label_loss": item.prior_loss,
            }
            for item in facts.segments
        ],
    }
    shown = bad or list(facts.segments)
    if not shown:
        sentence = f"no weak segment among {facts.rows:,} rows"
        return GateResult("slices:segments", True, None, rule.max_segment_ratio, sentence, evidence=evidence)
    worst = shown[0]
    excuse = ""
    if not bad and worst.ratio > rule.max_segment_ratio:
        excuse = ", but less than its own mean label would: its rows are hard for anybody"
    sentence = (
        f"the weakest segment found, {worst.rule} ({worst.rows:,} rows), loses "
        f"{number(worst.ratio, rule.max_segment_ratio)} times the mean{excuse}; "
        f"{number(rule.max_segment_ratio, worst.ratio)} times is allowed"
    )
    observed = worst.ratio
    return GateResult("slices:segments", not bad, observed, rule.max_segment_ratio, sentence, evidence=evidence)


def _is_bad(segment: Segment, rule: SlicesGate) -> bool:
    hard = segment.prior_loss
    return segment.ratio > rule.max_segment_ratio and (hard is None or segment.loss > hard)

"""Whether answers keep to the bounds that the model declares, and whether what passed is within them.

For the gates whose facts stand nowhere in Git but in the answer itself; `recount` judges the others anew.
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass

from pipelines.config.gates import Family, Gates
from pipelines.release.answers import Answer, lie

# 0.51 - 0.50 is a hair more than 0.01 in binary.
_SLACK = 1e-9


@dataclass(frozen=True)
class Bound:
    """At most `value`, or at least where it is a `floor`; `unknown`: may pass with no number observed."""

    value: float
    floor: bool = False
    unknown: bool = False

    def admits(self, observed: float | None) -> bool:
        """Whether an answer that observed this may have passed."""
        if observed is None:
            return self.unknown
        return observed >= self.value - _SLACK if self.floor else observed <= self.value + _SLACK


def check(answers: Iterable[Answer], gates: Gates) -> None:
    """Raises IntegrityError at the first answer with another bound than is declared, or that passed beyond it."""
    fixed = _fixed(gates)
    for answer in answers:
        known = [fixed[answer.name]] if answer.name in fixed else _declared(answer, gates)
        # What nobody declares and nobody demands may be there: it makes nothing pass.
        if not known:
            continue
        bounds = [bound for bound in known if bound.value == answer.threshold]
        if not bounds:
            wanted = " or ".join(f"{bound.value:g}" for bound in known)
            raise lie(f"{answer.name} has the bound {answer.threshold}, model.yaml says {wanted}")
        observed = abs(answer.observed) if answer.name == _BIAS and answer.observed is not None else answer.observed
        if answer.passed and not any(bound.admits(observed) for bound in bounds):
            raise lie(f"{answer.name} passed with {answer.observed}, its bound is {answer.threshold}")
        if answer.passed and answer.name == "overlap:release" and answer.evidence.get("one") is not False:
            raise lie("overlap:release passed, and trial and release are one model")


_BIAS = "calibration:bias"


def _fixed(gates: Gates) -> dict[str, Bound]:
    leakage, serving = gates.leakage, gates.serving
    return {
        "overlap:days": Bound(1.0, floor=True),
        "overlap:rows": Bound(0.0),
        # Where the key holds the event's time there is nothing to compare.
        "overlap:keys": Bound(0.0, unknown=True),
        "overlap:release": Bound(0.0),
        # Judged on no row: `champion:unseen_rows` says what that means.
        "overlap:champion": Bound(1.0, floor=True, unknown=True),
        "leakage:single_feature": Bound(leakage.single_feature),
        "leakage:clock": Bound(leakage.membership),
        "leakage:membership": Bound(leakage.membership),
        "calibration:error": Bound(gates.calibration.max_error),
        _BIAS: Bound(gates.calibration.max_bias),
        "serving:parity": Bound(0.0),
        # What depends on the machine stands in no answer that passed.
        "serving:row": Bound(serving.max_row_ms, unknown=True),
        "serving:throughput": Bound(serving.min_rows_per_second, floor=True, unknown=True),
        "serving:size": Bound(serving.max_megabytes),
    }


def _declared(answer: Answer, gates: Gates) -> list[Bound]:
    """The bounds of a gate that is named after a column; a metric may have both, a floor and a ceiling."""
    _, _, what = answer.name.rpartition(":")
    if answer.family is Family.FAIRNESS:
        rule = gates.fairness
        fair = {
            "selection": Bound(rule.max_selection_gap),
            "opportunity": Bound(rule.max_opportunity_gap),
            "impact": Bound(rule.min_impact_ratio, floor=True),
        }
        return [fair[what]] if what in fair else []
    if answer.family is not Family.SLICES or "segments" in answer.evidence:
        return []
    if answer.name.count(":") == 1:
        return [Bound(gates.slices.max_loss)]
    floors, ceilings = gates.slices.floors, gates.slices.ceilings
    return [
        *([Bound(floors[what], floor=True)] if what in floors else []),
        *([Bound(ceilings[what])] if what in ceilings else []),
    ]

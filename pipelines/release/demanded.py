"""Which answers a run must have, by what its model declares and by what it could know: silence passes nothing."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence, Set
from dataclasses import dataclass
from typing import Any

from pipelines.config.gates import Family, Gates, Mode
from pipelines.drift.multivariate import BLOCKS
from pipelines.evaluation.segments import Part
from pipelines.release.answers import Answer

# What these families say of any model. The others say more or less with what is declared, or with what can be known.
_WHOLE: dict[Family, tuple[str, ...]] = {
    Family.SANITY: ("trial", "release"),
    Family.AGREEMENT: ("",),
    Family.BASELINE: ("",),
    Family.SLICES: ("segments",),
    Family.OVERLAP: ("days", "rows", "keys", "release"),
    Family.LEAKAGE: ("single_feature",),
    Family.CALIBRATION: ("error", "bias"),
    Family.SERVING: ("loads", "size"),
    Family.POISONING: ("labels", "copies"),
}
_SERVED = ("parity", "row", "throughput")
_SPOILT = {"number": ("missing", "noise", "unit"), "category": ("unknown",)}
_FAIR = ("selection", "opportunity", "impact")


@dataclass(frozen=True)
class Told:
    """What a run's files say: `metrics` is metrics.json, `kinds` its features', `rival`: it met a champion.

    `parts` are the slices in slices.json that are large enough for the gate; `sliced`: these are all of them.
    """

    gates: Gates
    metrics: Mapping[str, Any]
    kinds: Set[str]
    rival: bool
    answers: Sequence[Answer]
    parts: Sequence[Part] = ()
    sliced: bool = False

    def named(self, name: str) -> Answer | None:
        """The answer of that name, if there is one."""
        return next((item for item in self.answers if item.name == name), None)

    def passed(self, name: str) -> bool:
        """Whether that gate is there and says that it passed."""
        found = self.named(name)
        return found is not None and found.passed


def demanded(told: Told) -> set[str]:
    """The names of all answers that must be there; those of families that are off are not."""
    found = _WHOLE | {
        Family.FLOORS: (*told.gates.floors, *told.gates.ceilings),
        Family.CHAMPION: tuple(_of_champion(told)),
        Family.FAIRNESS: tuple(_of_fairness(told)),
        Family.ROBUSTNESS: tuple(kind for known in sorted(told.kinds) for kind in _SPOILT[known]),
        Family.BEHAVIOUR: tuple(_of_behaviour(told.gates)),
    }
    # Only where there is a champion can it have learnt anything, and only what loads can be asked.
    found[Family.SLICES] += tuple(_of_slices(told))
    found[Family.OVERLAP] += ("champion",) if told.rival else ()
    found[Family.SERVING] += _SERVED if told.passed("serving:loads") else ()
    found[Family.LEAKAGE] += ("membership",) if _enough_rows(told) else ()
    return {
        f"{family}:{what}" if what else family.value
        for family, whats in found.items()
        if told.gates.mode(family) is not Mode.OFF
        for what in whats
    }


def _of_champion(told: Told) -> Iterator[str]:
    """Without a champion that there is none; with one whether rows are enough, and then who is better."""
    if told.rival:
        yield "unseen_rows"
    if not told.rival or told.passed("champion:unseen_rows"):
        yield ""


def _of_slices(told: Told) -> Iterator[str]:
    rule = told.gates.slices
    for column in sorted({part.column for part in told.parts}):
        yield from (f"{column}:{metric}" for metric in (*rule.floors, *rule.ceilings))
        if any(part.champion is not None for part in told.parts if part.column == column):
            yield column


def _of_fairness(told: Told) -> Iterator[str]:
    """Nobody can be selected by scores that are no numbers; then no metric can be computed either."""
    if any(value is not None for value in (told.metrics.get("challenger") or {}).values()):
        yield from (f"{name}:{what}" for name in told.gates.fairness.attributes for what in _FAIR)


def _of_behaviour(gates: Gates) -> Iterator[str]:
    yield from (rule.column for rule in gates.behaviour.invariance)
    yield from (f"{rule.column}:{rule.score}" for rule in gates.behaviour.direction)


def _enough_rows(told: Told) -> bool:
    """Whether training can be told from test rows; what too few of either say is chance, so nothing is said."""
    single = told.named("leakage:single_feature")
    trained = single.evidence.get("rows") if single else None
    tested = (told.metrics.get("test") or {}).get("rows")
    return all(isinstance(rows, int) and rows >= 2 * BLOCKS for rows in (trained, tested))

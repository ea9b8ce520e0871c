"""Nobody is judged on what he has learnt: days, rows and models must be apart."""

from __future__ import annotations

from pipelines.config.gates import Gates
from pipelines.evaluation.keys import SharedKeys
from pipelines.evaluation.overlap import OverlapFacts
from pipelines.evaluation.record import Measured
from pipelines.gates.base import GateResult


def judge(measured: Measured, gates: Gates) -> list[GateResult]:  # noqa: ARG001 - every family is asked alike
    """Five answers: days in order, no row and no key on both sides, trial and release apart, the champion's days."""
    facts = measured.overlap
    if facts is None:
        return []
    results = [_days(facts), _rows(facts), _keys(facts.keys), _release(facts)]
    return [*results, _champion(facts)] if facts.champion_seen is not None else results


def _days(facts: OverlapFacts) -> GateResult:
    between = (facts.tested[0] - facts.trained[1]).days
    passed = between > 0
    word = "after" if passed else "not after"
    sentence = f"test rows begin on {facts.tested[0]}, {word} {facts.trained[1]}, the last day the trial was given"
    evidence = {"trained": _days_json(facts.trained), "tested": _days_json(facts.tested)}
    return GateResult("overlap:days", passed, float(between), 1.0, sentence, evidence=evidence)


def _rows(facts: OverlapFacts) -> GateResult:
    shared = facts.shared_rows
    sentence = f"{shared:,} of {facts.rows:,} test rows are training rows too" if shared else "no row is in both"
    return GateResult("overlap:rows", not shared, float(shared), 0.0, sentence, evidence={"rows": facts.rows})


def _keys(facts: SharedKeys) -> GateResult:
    """The same event on a training and on a test day has been learnt, under whatever row id it came again."""
    key, shared = ", ".join(facts.key), facts.shared
    if shared is None:
        sentence = f"the key ({key}) holds the event time, which no training day shares with a test day"
    elif not shared:
        sentence = f"no key ({key}) is on training and test days both"
    else:
        seen, tested, _ = facts.days[0]
        sentence = (
            f"{shared:,} of {facts.rows:,} events of the test days have a key ({key}) of a training day, as those of "
            f"{tested} and {seen}: deliver an event once, or add the event time to `key` if the same one comes again"
        )
    evidence = {"rows": facts.rows, "days": [[str(seen), str(tested), rows] for seen, tested, rows in facts.days]}
    observed = None if shared is None else float(shared)
    return GateResult("overlap:keys", not shared, observed, 0.0, sentence, evidence=evidence)


def _release(facts: OverlapFacts) -> GateResult:
    """The release may know the test days, and nothing later; the trial, which is judged on them, must be another."""
    late = (facts.released[1] - facts.matured).days
    evidence = {"released": _days_json(facts.released), "matured": facts.matured.isoformat(), "one": facts.one_model}
    if facts.one_model:
        sentence = "trial and release are the same bytes: the model judged here has learnt the test days"
    elif late > 0:
        sentence = f"the release was given days through {facts.released[1]}, {late} after the last matured one"
    else:
        sentence = f"trial and release are two models; the release was given days through {facts.released[1]}"
    passed = not facts.one_model and late <= 0
    return GateResult("overlap:release", passed, float(late), 0.0, sentence, evidence=evidence)


def _champion(facts: OverlapFacts) -> GateResult:
    seen, first = facts.champion_seen, facts.compared
    passed = first is None or seen is None or first > seen
    if first is None:
        sentence = f"the champion, which has learnt through {seen}, is judged on no row"
    else:
        sentence = f"the champion has learnt through {seen} and is judged from {first} on"
    evidence = {"seen": seen and seen.isoformat(), "compared": first and first.isoformat()}
    observed = float((first - seen).days) if first and seen else None
    return GateResult("overlap:champion", passed, observed, 1.0, sentence, evidence=evidence)


def _days_json(days: tuple[object, object]) -> list[str]:
    return [str(day) for day in days]

"""Judges gates anew, with the declared bounds, by the numbers in a run's `metrics.json` and its answers' evidence."""

from __future__ import annotations

from datetime import date
from typing import Any

from pipelines.config.gates import Family, Mode
from pipelines.config.model import Task
from pipelines.errors import shorten
from pipelines.evaluation.behaviour import Behaviour, Moved, Turned
from pipelines.evaluation.metrics import default_metric
from pipelines.evaluation.paired import Paired
from pipelines.evaluation.poisoning import Copies, Labels, Poisoning
from pipelines.evaluation.record import Agreement, Compared, Measured, ScoreFacts
from pipelines.evaluation.robustness import Robustness, Spoilt
from pipelines.evaluation.segments import Segment, SliceFacts
from pipelines.gates.families import FAMILIES
from pipelines.gates.robustness import SAID
from pipelines.release.answers import METRICS, Answer, lie
from pipelines.release.demanded import Told

AGAIN = (
    Family.SANITY,
    Family.FLOORS,
    Family.CHAMPION,
    Family.AGREEMENT,
    Family.BASELINE,
    Family.SLICES,
    Family.ROBUSTNESS,
    Family.BEHAVIOUR,
    Family.POISONING,
)
_SEGMENTS = "slices:segments"


def check(told: Told, task: Task) -> None:
    """Raises IntegrityError at the first answer that says something else than its numbers do."""
    if (told.metrics.get("compared") is not None) is not told.rival:
        raise lie("does not compare with the champion that the run was judged against", where=METRICS)
    try:
        measured = _measured(told, task)
        found = {
            family: [_said(item) for item in FAMILIES[family](measured, told.gates)]
            for family in AGAIN
            if told.gates.mode(family) is not Mode.OFF
        }
    except (AttributeError, IndexError, KeyError, OverflowError, TypeError, ValueError) as error:
        raise lie(f"is not what an evaluation writes: {shorten(repr(error))}", where=METRICS) from None
    for family, ours in found.items():
        theirs = [_said(item) for item in told.answers if item.family is family and _judged_anew(item, told)]
        if ours != theirs:
            raise lie(_difference(ours, theirs))
    _interval_holds(told)


def _said(item: Any) -> tuple[str, bool, float | None, float | None]:
    return item.name, item.passed, item.observed, item.threshold


def _judged_anew(item: Answer, told: Told) -> bool:
    """Of slices the segments, by their evidence; columns where slices.json holds all that the gate asks about."""
    if item.family is not Family.SLICES:
        return True
    return "segments" in item.evidence if item.name == _SEGMENTS else told.sliced


def _difference(ours: list[Any], theirs: list[Any]) -> str:
    pairs = zip([*ours, *[None] * len(theirs)], [*theirs, *[None] * len(ours)], strict=False)
    mine, yours = next((mine, yours) for mine, yours in pairs if mine != yours)
    return f"says {_words(yours)}; by metrics.json and model.yaml it is {_words(mine)}"


def _words(said: tuple[str, bool, float | None, float | None] | None) -> str:
    if said is None:
        return "nothing"
    name, passed, observed, threshold = said
    return f"{name} {'passed' if passed else 'refused'} with {observed}, bound {threshold}"


def _measured(told: Told, task: Task) -> Measured:
    """What the evaluation measured, as far as it wrote it down in Git."""
    metrics = told.metrics
    return Measured(
        task=task,
        rows=metrics["test"]["rows"],
        days=_days(metrics["test"]["days"]),
        challenger=metrics["challenger"],
        baseline=metrics["baseline"],
        compared=_compared(told, task) if told.rival else None,
        agreement=Agreement(**metrics["agreement"]),
        trial_scores=_scores(told, "trial"),
        release_scores=_scores(told, "release"),
        release=metrics["release"],
        slices=_segments(told),
        robustness=_robustness(metrics.get("robustness")),
        behaviour=_behaviour(metrics.get("behaviour")),
        poisoning=_poisoning(metrics.get("poisoning")),
    )


def _days(texts: list[str]) -> tuple[date, date]:
    first, last = (date.fromisoformat(text) for text in texts)
    return first, last


def _compared(told: Told, task: Task) -> Compared:
    found, unseen, answer = told.metrics["compared"], told.named("champion:unseen_rows"), told.named("champion")
    rule = told.gates.champion
    paired = None
    if answer is not None and answer.observed is not None:
        low, high = answer.interval or (None, None)
        metric = rule.metric or default_metric(task)
        # Whether a day was judged by its stamped scores or asked again, it was drawn for the interval.
        days = answer.evidence["stamped_days"] + answer.evidence["rescored_days"]
        paired = Paired(metric, days, answer.observed, low, high)
    return Compared(
        version=None,
        # It stands in a sentence only; where the family is off nobody has said it.
        seen_until=date.fromisoformat(unseen.evidence["seen_until"]) if unseen else date.min,
        rows=found["rows"],
        days=_days(found["days"]) if found["days"] else None,
        challenger=found["challenger"],
        champion=found["champion"],
        baseline=found["baseline"],
        paired=paired,
    )


def _scores(told: Told, model: str) -> ScoreFacts:
    answer = told.named(f"sanity:{model}")
    if answer is None:
        return ScoreFacts(0, 0, None, None)
    facts = answer.evidence
    return ScoreFacts(facts["rows"], int(answer.observed or 0), facts["low"], facts["high"])


def _segments(told: Told) -> SliceFacts | None:
    answer = next((item for item in told.answers if item.name == _SEGMENTS and _judged_anew(item, told)), None)
    if answer is None:
        return None
    found = (
        Segment(item["rule"], item["rows"], item["loss"], item["ratio"], item["mean_label_loss"])
        for item in answer.evidence["segments"]
    )
    return SliceFacts(tuple(told.parts) if told.sliced else (), tuple(found), answer.evidence["rows"], None)


def _robustness(found: dict[str, Any] | None) -> Robustness | None:
    if found is None:
        return None
    spoilt = tuple(Spoilt(**found[kind]) for kind in SAID if kind in found)
    return Robustness(found["rows"], found["loss"], found["scale"], spoilt)


def _behaviour(found: dict[str, Any] | None) -> Behaviour | None:
    if found is None:
        return None
    still = tuple(Moved(**item) for item in found["invariance"])
    return Behaviour(found["rows"], still, tuple(Turned(**item) for item in found["direction"]))


def _poisoning(found: dict[str, Any] | None) -> Poisoning | None:
    if found is None:
        return None
    worst, copies = found["labels"], found["copies"]
    labels = worst and Labels(**(worst | _window(worst) | {"interval": tuple(worst["interval"])}))
    return Poisoning(**(found | _window(found) | {"labels": labels, "copies": Copies(**(copies | _window(copies)))}))


def _window(found: dict[str, Any]) -> dict[str, date]:
    first, last = _days([found["first"], found["last"]])
    return {"first": first, "last": last}


def _interval_holds(told: Told) -> None:
    """The interval was drawn from rows that are not here; but it lies around the difference that is.

    Not that of a calibration error, which every draw of the rows makes larger.
    """
    answer = told.named("champion")
    if answer is None or answer.interval is None or answer.observed is None:
        return
    low, high = answer.interval
    if answer.evidence.get("metric") != "calibration_error" and not _about(low, answer.observed, high):
        raise lie(f"champion: {answer.observed} is outside its own interval of {low} to {high}")


def _about(low: float, value: float, high: float) -> bool:
    slack = 1e-6 * max(abs(low), abs(high), abs(value))
    return low - slack <= value <= high + slack

"""Answers in a gate file: which must be there, and that no number or bound in them can be changed unnoticed."""

from __future__ import annotations

import json
from collections.abc import Callable
from dataclasses import replace
from types import SimpleNamespace
from typing import Any

import pytest
import yaml

from pipelines.config.gates import FairnessGate, Family, Gates, Mode
from pipelines.config.params import RunParams
from pipelines.errors import IntegrityError
from pipelines.evaluation.segments import Part, SliceFacts, parts_of
from pipelines.gates.slices import judge
from pipelines.ledger import Ledger
from pipelines.ledger.outs import fetch_files
from pipelines.release import bounds, recount
from pipelines.release.answers import GATES, METRICS, Answer, answers_of
from pipelines.release.demanded import Told, demanded
from pipelines.release.evidence import SLICES

# Where somebody has to declare something, or something has to be known, before there is anything to say.
SOMETIMES = {"leakage:clock"}
BEHAVIOUR: dict[str, Any] = {
    "invariance": [{"column": "shop"}],
    "direction": [{"column": "distance", "by": 1.0, "score": "rise"}],
}


@pytest.fixture(scope="module")
def params(waiting) -> RunParams:
    return RunParams.model_validate(yaml.safe_load(read(waiting, "params.yaml")))


@pytest.fixture(scope="module")
def honest(waiting, params) -> Told:
    """What the run that waits says of itself: numbers and categories, judged against a champion."""
    answers = answers_of(json.loads(read(waiting, GATES)))
    metrics = json.loads(read(waiting, METRICS))
    return Told(params.gates, metrics, frozenset({"number", "category"}), True, answers, sliced=True)


@pytest.fixture(scope="module")
def parts(waiting, tmp_path_factory) -> tuple[Part, ...]:
    """The run's slices, of which the shipped gate asks about none: they are too small."""
    file, run = tmp_path_factory.mktemp("slices") / "slices.json", waiting.reports[1]["run"]
    fetch_files(waiting.settings, Ledger.open(waiting.settings, "tiny"), f"runs/{run}", {SLICES: file})
    found = json.loads(file.read_bytes())
    return parts_of(found["columns"], found["models"], 20)


def read(story, path: str) -> bytes:
    found = Ledger.open(story.settings, "tiny").read(f"runs/{story.reports[1]['run']}", path)
    assert found is not None
    return found


def prove(told: Told, params: RunParams) -> None:
    bounds.check(told.answers, told.gates)
    recount.check(told, params.task)


def changed(told: Told, name: str, **values: Any) -> Told:
    answers = [item.model_copy(update=values) if item.name == name else item for item in told.answers]
    return replace(told, answers=answers)


def names(told: Told) -> list[str]:
    return [item.name for item in told.answers]


def test_the_honest_one_says_what_it_must_and_nothing_is_wrong_with_it(honest, params) -> None:
    assert demanded(honest) == set(names(honest)) - SOMETIMES
    prove(honest, params)


def test_every_family_that_is_on_must_answer(honest) -> None:
    asked = {name.partition(":")[0] for name in demanded(honest)}
    assert asked == {family.value for family in Family} - {"fairness", "behaviour"}
    off = replace(honest, gates=Gates(modes=dict.fromkeys(Family, Mode.OFF)))
    assert demanded(off) == set()


def test_what_is_declared_must_be_answered_by_name(honest) -> None:
    asked = {"fairness": FairnessGate(attributes=("shop",)), "behaviour": BEHAVIOUR}
    gates = Gates.model_validate(honest.gates.model_dump() | {"behaviour": BEHAVIOUR})
    told = replace(honest, gates=gates.model_copy(update={"fairness": asked["fairness"]}))
    more = demanded(told) - demanded(honest)
    assert {name for name in more if name.startswith("behaviour")} == {"behaviour:shop", "behaviour:distance:rise"}
    assert {name for name in more if name.startswith("fairness")} == {
        f"fairness:shop:{what}" for what in ("selection", "opportunity", "impact")
    }
    # Scores that are no numbers select nobody: no metric can be computed, and no gap either.
    broken = replace(told, metrics=told.metrics | {"challenger": dict.fromkeys(told.metrics["challenger"])})
    assert not {name for name in demanded(broken) if name.startswith("fairness")}


def test_what_nobody_can_know_need_not_be_said(honest) -> None:
    first = replace(honest, rival=False)
    assert demanded(honest) - demanded(first) == {"champion:unseen_rows", "overlap:champion"}
    few = replace(honest, metrics=honest.metrics | {"test": {"rows": 19}})
    assert demanded(honest) - demanded(few) == {"leakage:membership"}
    dead = changed(honest, "serving:loads", passed=False)
    assert demanded(honest) - demanded(dead) == {"serving:parity", "serving:row", "serving:throughput"}
    numbers = replace(honest, kinds=frozenset({"number"}))
    assert demanded(honest) - demanded(numbers) == {"robustness:unknown"}
    unseen = changed(honest, "champion:unseen_rows", passed=False)
    assert demanded(honest) - demanded(unseen) == {"champion"}


def _bounded(item: Answer) -> bool:
    return item.observed is not None and item.threshold is not None


@pytest.mark.parametrize("far", [1e6, -1e6])
def test_no_number_beyond_its_bound_has_passed(honest, params, far: float) -> None:
    beyond = [item for item in honest.answers if _bounded(item) and not _admits(honest, item, far, params)]
    within = {item.name for item in honest.answers if _bounded(item)} - {item.name for item in beyond}
    # What is counted anew fits no other number; of the rest one side is the good one.
    good = {item.name for item in honest.answers if _bounded(item) and item.family not in recount.AGAIN}
    floors = {"overlap:days", "overlap:champion"}
    biased = {"calibration:bias"}
    assert within == (floors if far > 0 else good - floors - biased)


def _admits(told: Told, item: Answer, observed: float, params: RunParams) -> bool:
    try:
        prove(changed(told, item.name, observed=observed), params)
    except IntegrityError:
        return False
    return True


def test_no_bound_but_the_declared_one_counts(honest, params) -> None:
    for item in honest.answers:
        if item.threshold is not None:
            with pytest.raises(IntegrityError, match=item.name):
                prove(changed(honest, item.name, threshold=item.threshold + 1), params)


def test_days_judged_by_what_was_said_that_night_count_for_the_interval(honest, params) -> None:
    found = honest.named("champion")
    bound = found.threshold
    stamped = found.evidence | {"stamped_days": 14, "rescored_days": 0}
    wide = {"evidence": stamped, "interval": (found.observed - 2 * bound, found.observed + 2 * bound)}
    with pytest.raises(IntegrityError, match="champion passed"):
        prove(changed(honest, "champion", **wide), params)
    prove(changed(honest, "champion", **wide, passed=False), params)


def test_slices_large_enough_must_be_answered_for_and_are_judged_again(honest, params, parts) -> None:
    told = replace(honest, parts=parts)
    assert demanded(told) - demanded(honest) == {"slices:shop"}
    with pytest.raises(IntegrityError, match="it is slices:shop passed"):
        prove(told, params)
    rule, segments = params.gates.slices, SliceFacts(parts, (), 0, None)
    (shop, _) = judge(SimpleNamespace(slices=segments, task=params.task), params.gates)
    said = Answer.model_validate({**honest.answers[0].model_dump(), "name": shop.name, "family": "slices"})
    at = names(honest).index("slices:segments")
    for passed in (shop.passed, not shop.passed):
        own = said.model_copy(update={"passed": passed, "observed": shop.observed, "threshold": rule.max_loss})
        with_it = replace(told, answers=[*honest.answers[:at], own, *honest.answers[at:]])
        if passed is shop.passed:
            prove(with_it, params)
        else:
            with pytest.raises(IntegrityError, match="slices:shop"):
                prove(with_it, params)


def one_model(told: Told) -> Told:
    found = told.named("overlap:release")
    return changed(told, "overlap:release", evidence=found.evidence | {"one": True})


def constant(told: Told) -> Told:
    found = told.named("sanity:trial")
    return changed(told, "sanity:trial", evidence=found.evidence | {"low": 0.5, "high": 0.5})


def weak(told: Told) -> Told:
    found = told.named("slices:segments")
    segment = {"rule": "shop is south", "rows": 300, "loss": 9.0, "ratio": 9.0, "mean_label_loss": 0.6}
    return changed(told, "slices:segments", evidence=found.evidence | {"segments": [segment]}, observed=9.0)


def elsewhere(told: Told) -> Told:
    """An interval on the good side of the margin, and the difference on the other."""
    margin = told.gates.champion.margin
    metrics = json.loads(json.dumps(told.metrics))
    both = metrics["compared"]
    both["challenger"]["log_loss"] = round(both["champion"]["log_loss"] + margin + 0.2, 9)
    observed = float(f"{both['challenger']['log_loss'] - both['champion']['log_loss']:.9g}")
    return replace(changed(told, "champion", observed=observed, interval=(-0.2, -0.1)), metrics=metrics)


def alone(told: Told) -> Told:
    return replace(told, metrics=told.metrics | {"compared": None})


def garbled(told: Told) -> Told:
    return replace(told, metrics=told.metrics | {"agreement": 3})


@pytest.mark.parametrize(
    ("forge", "why"),
    [
        (one_model, "trial and release are one model"),
        (constant, "it is sanity:trial refused"),
        (weak, "it is slices:segments refused with 9.0"),
        (elsewhere, "outside its own interval|it is champion refused"),
        (alone, "does not compare with the champion"),
        (garbled, "is not what an evaluation writes"),
    ],
    ids=lambda value: value.__name__ if callable(value) else "",
)
def test_facts_that_contradict_the_answer_are_found(honest, params, forge: Callable[[Told], Told], why: str) -> None:
    with pytest.raises(IntegrityError, match=why):
        prove(forge(honest), params)


@pytest.mark.parametrize(
    "answers", [None, 3, [{"name": "magic:wand"}], [{"name": "floors:auc", "passed": "yes"}]], ids=str
)
def test_what_is_no_answer_is_said_to_be_none(answers: Any) -> None:
    with pytest.raises(IntegrityError, match="holds no answers"):
        answers_of({"gates": answers})

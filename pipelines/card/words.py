"""The card's sentences: what the model is for, and where it must not be trusted."""

from __future__ import annotations

from pipelines.card.facts import Facts
from pipelines.card.measure import Spread
from pipelines.config.gates import Family
from pipelines.config.model import NO_OWNER
from pipelines.evaluation.html import tag


def owner(facts: Facts) -> tuple[object, ...]:
    """Who answers for it; where nobody does, that."""
    named = facts.model.owner.strip()
    if not named or named == NO_OWNER:
        return ("Nobody answers for this model yet (owner in model.yaml).",)
    return "Owner: ", tag("strong", named), "."


def purpose(facts: Facts) -> str:
    """What `model.yaml` says it is for; where it says nothing, that, and what can be told without an author."""
    if facts.model.purpose:
        return facts.model.purpose
    return (
        "Nobody has written down what this model is for (purpose in model.yaml). "
        f"It predicts {facts.params.label.expression} for the rows of {facts.params.events}."
    )


def limits(facts: Facts, found: Spread) -> list[str]:
    """The author's limits first, then those that the numbers of this run show."""
    span = facts.params.span
    told = list(facts.model.limits) or [
        "Nobody has written down where this model must not be used (limits in model.yaml); below stands only what its "
        "numbers show."
    ]
    told.append(
        f"It has learnt from {span.train_start} to {span.test_end} and was judged on {found.rows:,} rows of "
        f"{found.days} days. Other seasons, prices or habits than those it has not seen."
    )
    told.append(
        "What was judged is the trial, which had not seen the test days; what is in use is its release, the same "
        "recipe refitted through the last of them. How far the two agree is the gate agreement."
    )
    left = _left_out(facts)
    told += [left] if left else []
    if not facts.family(Family.FAIRNESS):
        told.append("How groups of people fare is not known: no attribute is declared.")
    told.append("Importance and contributions say what the model reads, not what causes what it predicts.")
    told.append(
        "The intervals come from drawing whole days again: a day's common luck is in them, change to come is not."
    )
    return told


def _left_out(facts: Facts) -> str:
    window, slices = facts.found["window"], facts.found["slices"]["columns"]
    parts = []
    absent = len(window["missing"]) + len(window["quarantined"])
    if absent:
        parts.append(f"{absent} partitions of its window are missing or quarantined")
    small = sum(column["left_out"]["values"] for column in slices)
    if small:
        parts.append(f"{small} values of its slices have too few rows to be measured")
    told = "; ".join(parts)
    return f"{told[0].upper()}{told[1:]}." if told else ""

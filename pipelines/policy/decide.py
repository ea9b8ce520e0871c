"""The night's answer to 'retrain now?'. Pure: the same policy, evidence and history give the same decision."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import date

from pipelines.config.policy import Policy
from pipelines.errors import shorten
from pipelines.policy.answer import Answer
from pipelines.policy.evidence import Evidence
from pipelines.policy.guards import Guard, Verdict, guards
from pipelines.policy.history import History, Night
from pipelines.policy.plain import Record
from pipelines.policy.triggers import JUDGES

SENTENCE_LIMIT = 600


@dataclass(frozen=True)
class Decision(Record):
    """One night's decision, with each trigger's answer, each guard's, and the thresholds that held that night."""

    model: str
    day: date
    verdict: Verdict
    sentence: str
    answers: tuple[Answer, ...]
    guards: tuple[Guard, ...]
    evidence_sha256: str
    thresholds: Mapping[str, float] = field(default_factory=dict)
    champion: int | None = None

    @property
    def fired(self) -> tuple[str, ...]:
        """The triggers that fired."""
        return tuple(answer.name for answer in self.answers if answer.fired)

    @property
    def night(self) -> Night:
        """What later nights remember of this one."""
        scores = {answer.name: answer.score for answer in self.answers if answer.score is not None}
        return Night(self.day, self.verdict, self.champion, scores)


def decide(policy: Policy, evidence: Evidence, history: History) -> Decision:
    """The decision of the night of `evidence.day`; of `history` only what was before that night counts."""
    known = history.at(evidence.day)
    answers = tuple(JUDGES[name](evidence, known, rule) for name, rule in policy.rules.items())
    held = guards(policy, evidence, known)
    verdict, sentence = _verdict(policy, answers, held, evidence)
    return Decision(
        model=evidence.model,
        day=evidence.day,
        verdict=verdict,
        sentence=shorten(sentence, SENTENCE_LIMIT),
        answers=answers,
        guards=held,
        evidence_sha256=sha256_of(evidence),
        thresholds={answer.name: answer.threshold for answer in answers if answer.threshold is not None},
        champion=evidence.champion.version if evidence.champion else None,
    )


def sha256_of(evidence: Evidence) -> str:
    """The hash that stands for `evidence`, whoever computes it."""
    text = json.dumps(evidence.to_json(), sort_keys=True, separators=(",", ":"), allow_nan=False)
    return hashlib.sha256(text.encode()).hexdigest()


def _verdict(
    policy: Policy, answers: tuple[Answer, ...], held: tuple[Guard, ...], evidence: Evidence
) -> tuple[Verdict, str]:
    fired = [answer for answer in answers if answer.fired]
    stopped = next((guard for guard in held if guard.holds), None)
    corrected = _corrected(evidence)
    # Broken data are told of whether or not anybody asks for a retraining: what is scored from them is broken too.
    if stopped and stopped.verdict == "data_bug":
        return "data_bug", f"{stopped.sentence}. Nothing is retrained on it.{corrected}"
    if len(fired) < policy.needed:
        return "wait", f"{_waits(policy, answers, fired, evidence)}{corrected}"
    why = "; ".join(f"{answer.name} fired: {answer.sentence}" for answer in fired)
    told = f"{why[:1].upper()}{why[1:]}.{corrected}"
    return (stopped.verdict, f"Held back, {stopped.sentence}. {told}") if stopped else ("retrain", told)


def _waits(policy: Policy, answers: tuple[Answer, ...], fired: list[Answer], evidence: Evidence) -> str:
    if evidence.champion is None:
        return "There is no champion yet: `evergreen run` or a request makes the first."
    if fired:
        names = ", ".join(answer.name for answer in fired)
        return f"{names} fired, {policy.needed} triggers are needed."
    told = "; ".join(f"{answer.name}: {answer.sentence}" for answer in answers)
    return f"No trigger fired. {told[:1].upper()}{told[1:]}."


def _corrected(evidence: Evidence) -> str:
    changed = evidence.arrivals.corrected
    return f" Corrected since: {shorten(', '.join(changed), 120)}." if changed else ""

"""The last step of a night: one decision, with what it was made from, into the ledger; and where it is to retrain, a
request that the retraining claims."""

from __future__ import annotations

from dataclasses import replace
from datetime import date
from typing import Any

from pipelines.config.load import find_model, load_model
from pipelines.config.settings import Settings
from pipelines.errors import InputError
from pipelines.ledger import nights, requests, verdicts
from pipelines.ledger.git import Ledger
from pipelines.night.memory import remember
from pipelines.policy.decide import Decision, sha256_of
from pipelines.policy.decide import decide as decide_by
from pipelines.policy.evidence import Evidence
from pipelines.runs import claims
from pipelines.stages.context import Progress, StageResult

KIND = "monitor"


def decide(settings: Settings, model: str, day: date, *, backfill: bool = False, say: Progress) -> StageResult:
    """Decide the night of `day` from what `monitor` found; repeated, it returns what was decided.

    A night whose evidence has changed since (a partition was corrected) is decided again, as the next revision. A
    backfilled night, and one after which another was decided already, never starts a retraining.

    Raises:
        InputError: `monitor` has not seen the day.
        PassingFault: the ledger cannot be reached.
    """
    policy = load_model(find_model(settings.models, model)).policy
    ledger = Ledger.open(settings, model)
    claims.sweep(ledger)
    evidence = _evidence(ledger, day)
    known = verdicts.newest(ledger, day, day).get(day)
    if known is not None and _same(ledger, known, evidence):
        say(f"decided before, revision {known['revision']}: {known['verdict']}")
        return _result(ledger, known, day)
    newest = verdicts.last_day(ledger)
    past = backfill or (newest is not None and newest > day)
    asked = tuple(item.key for item in requests.open_requests(ledger) if item.key != _key(day))
    evidence = replace(evidence, requests=asked, backfill=past)
    decision = decide_by(policy, evidence, remember(ledger, policy, day))
    kept = verdicts.record(ledger, day, _told(decision, policy.model_dump(mode="json"), known), evidence.to_json())
    say(f"{kept['verdict']}: {kept['sentence']}")
    return _result(ledger, kept, day)


def _evidence(ledger: Ledger, day: date) -> Evidence:
    found = nights.days(ledger, KIND, day, day).get(day)
    if found is None:
        raise InputError(
            f"nobody has monitored {day}", where=ledger.model, remedy=f"`evergreen monitor {ledger.model} --date {day}`"
        )
    return Evidence.from_json(found)


def _same(ledger: Ledger, known: dict[str, Any], evidence: Evidence) -> bool:
    """Whether `known` was decided from the same: who asked, and whether the night was past, is no other evidence."""
    before = Evidence.from_json(verdicts.evidence_of(ledger, known))
    now = replace(evidence, requests=before.requests, backfill=before.backfill)
    return sha256_of(now) == known.get("evidence_sha256")


def _told(decision: Decision, policy: dict[str, Any], known: dict[str, Any] | None) -> dict[str, Any]:
    """The record: the decision, the policy it was made by, and the revision that it takes the place of."""
    told = {**decision.to_json(), "policy": policy}
    return told | {"instead_of": known["revision"]} if known else told


def _result(ledger: Ledger, kept: dict[str, Any], day: date) -> StageResult:
    """What the night tells Airflow; to retrain only while its request is open: what was claimed needs no event."""
    retrain = False
    if kept["verdict"] == "retrain":
        reason = "".join(letter if letter.isprintable() else " " for letter in kept["sentence"])
        retrain = requests.ask(ledger, _key(day), reason[: requests.REASON_LIMIT], requests.NIGHT).state == "open"
    return StageResult(
        summary={
            "day": day.isoformat(),
            "verdict": kept["verdict"],
            "sentence": kept["sentence"],
            "fired": [answer["name"] for answer in kept["answers"] if answer["fired"]],
            "revision": kept["revision"],
            "retrain": retrain,
        }
    )


def _key(day: date) -> str:
    return f"night-{day}"

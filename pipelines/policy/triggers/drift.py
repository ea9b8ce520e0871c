"""The world looks other than the champion's training days did."""

from __future__ import annotations

from pipelines.config.policy import DriftRule
from pipelines.policy.answer import Answer, repeated, silent
from pipelines.policy.evidence import ColumnFact, DriftFacts, Evidence
from pipelines.policy.history import History

NAME = "drift"
_WORDS = {
    "features": "drift of the features, weighted by importance,",
    "prediction": "drift of the predictions",
    "label": "drift of the label",
    "unseen": "the share of rows with a value that the champion never saw",
    "separability": "AUC of telling new rows from old is over 0.5 by",
}


def judge(evidence: Evidence, history: History, rule: DriftRule) -> Answer:
    """Fired if what the rule names is over the threshold now and often enough of late."""
    score = _score(evidence.drift, rule) if evidence.drift else None
    if score is None:
        return silent(NAME, f"the drift of {rule.what} is not measured")
    words = _WORDS[rule.what]
    if rule.what == "features" and evidence.drift and evidence.drift.columns:
        first = evidence.drift.columns[0]
        words = f"most of the drift is in {first.name}; {words}"
    if rule.what == "unseen" and score > 0 and evidence.drift:
        words = f"{words} of {most_unseen(evidence.drift).name}"
    return repeated(NAME, words, score, rule.threshold, rule, evidence, history)


def most_unseen(drift: DriftFacts) -> ColumnFact:
    """The feature of which most rows hold a value that the champion never saw; there must be one."""
    return max(drift.columns, key=lambda column: column.unseen_share)


def _score(drift: DriftFacts, rule: DriftRule) -> float | None:
    match rule.what:
        case "features":
            return drift.score
        case "prediction":
            return drift.prediction
        case "label":
            return drift.label
        case "unseen":
            return most_unseen(drift).unseen_share if drift.columns else None
        case "separability":
            return max(0.0, drift.separability.low - 0.5) if drift.separability else None

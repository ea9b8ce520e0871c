"""The world looks other than the champion's training days did."""

from __future__ import annotations

from pipelines.config.policy import DriftRule
from pipelines.policy.answer import Answer, repeated, silent
from pipelines.policy.evidence import DriftFacts, Evidence
from pipelines.policy.history import History

NAME = "drift"
_WORDS = {
    "features": "drift of the features, weighted by importance,",
    "prediction": "drift of the predictions",
    "label": "drift of the label",
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
    return repeated(NAME, words, score, rule.threshold, rule, evidence, history)


def _score(drift: DriftFacts, rule: DriftRule) -> float | None:
    match rule.what:
        case "features":
            return drift.score
        case "prediction":
            return drift.prediction
        case "label":
            return drift.label
        case "separability":
            return max(0.0, drift.separability.low - 0.5) if drift.separability else None

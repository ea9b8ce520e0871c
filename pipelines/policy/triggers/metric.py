"""Which metric stands for a model's quality, and how much worse one value of it is than another."""

from __future__ import annotations

from pipelines.policy.evidence import Evidence

_HIGHER_IS_BETTER = frozenset({"auc", "pr_auc", "accuracy", "r2"})


def main_metric(evidence: Evidence) -> str:
    """The metric of the task's own loss."""
    return "rmse" if "rmse" in evidence.reference else "log_loss"


def worse(metric: str, now: float, before: float) -> float:
    """By how much `now` is worse than `before`; negative where it is better."""
    return before - now if metric in _HIGHER_IS_BETTER else now - before

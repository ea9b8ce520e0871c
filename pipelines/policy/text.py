"""Decisions for people: a line a night, or one night in full."""

from __future__ import annotations

from collections.abc import Sequence

from pipelines.policy.decide import Decision

WIDTH = max(map(len, ("retrain", "wait", "data_bug", "cooldown", "over_budget", "broken")))


def line(decision: Decision, revision: int = 1) -> str:
    """One night on one line."""
    mark = f" (revision {revision})" if revision > 1 else ""
    return f"{decision.day}  {decision.verdict:<{WIDTH}}  {decision.sentence}{mark}"


def full(decision: Decision, revision: int = 1) -> str:
    """One night: the verdict, then every trigger with its score and threshold, then the guards."""
    rows = [
        (
            answer.name,
            "fired" if answer.fired else "-",
            _number(answer.score),
            _number(answer.threshold),
            answer.sentence,
        )
        for answer in decision.answers
    ]
    held = [(guard.name, "holds" if guard.holds else "-", "", "", guard.sentence) for guard in decision.guards]
    champion = f"version {decision.champion}" if decision.champion else "none yet"
    return "\n".join(
        [
            line(decision, revision),
            f"  champion {champion}, evidence {decision.evidence_sha256[:12]}",
            *_table([("trigger", "", "score", "threshold", ""), *rows, ("guard", "", "", "", ""), *held]),
        ]
    )


def _number(value: float | None) -> str:
    return "" if value is None else f"{value:.4g}"


def _table(rows: Sequence[tuple[str, ...]]) -> list[str]:
    widths = [max(len(row[column]) for row in rows) for column in range(4)]
    cells = (
        f"  {row[0]:<{widths[0]}}  {row[1]:<{widths[1]}}  {row[2]:>{widths[2]}}  {row[3]:>{widths[3]}}  {row[4]}"
        for row in rows
    )
    return [cell.rstrip() for cell in cells]

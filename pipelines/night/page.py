"""What a night saw, in a few lines for people; what matters first."""

from __future__ import annotations

from pipelines.policy.evidence import DriftFacts, EstimateFacts, Evidence, PerformanceFacts

SHOWN = 5


def render(evidence: Evidence) -> str:
    """`evidence` as text."""
    standing = evidence.champion
    lines = [f"{evidence.model}: the night of {evidence.day}"]
    if standing is None:
        lines.append("  no champion yet")
    else:
        lines.append(
            f"  champion     version {standing.version}, as of {standing.as_of}, {evidence.age_days} days old, "
            f"{evidence.new_rows:,} rows newer than it"
        )
    lines += [f"  broken data  {bug.sentence}" for bug in evidence.bugs]
    lines += _arrivals(evidence)
    lines += _drift(evidence.drift)
    lines += _performance(evidence.performance)
    return "\n".join([*lines, *_estimated(evidence.estimated)])


def _arrivals(evidence: Evidence) -> list[str]:
    arrived = evidence.arrivals
    named = (("missing", arrived.missing), ("late", arrived.late), ("corrected", arrived.corrected))
    return [f"  {word:<12} {', '.join(found[:SHOWN])}{_more(len(found))}" for word, found in named if found]


def _drift(drift: DriftFacts | None) -> list[str]:
    if drift is None:
        return ["  drift        not measured: nothing was scored"]
    lines = [f"  drift        {drift.score:.3f} over all features{_also(drift)}"]
    moved = [column for column in drift.columns if column.effect > 0][:SHOWN]
    return lines + [
        f"    {column.name:<24} effect {column.effect:.3f}, importance {column.importance:.3f}" for column in moved
    ]


def _also(drift: DriftFacts) -> str:
    told = [f"{name} {value:.3f}" for name in ("prediction", "label") if (value := getattr(drift, name)) is not None]
    found = drift.separability
    if found is not None:
        told.append(f"told apart with AUC {found.auc:.3f} ({found.low:.3f} to {found.high:.3f})")
    return "".join(f", {text}" for text in told)


def _performance(days: tuple[PerformanceFacts, ...]) -> list[str]:
    if not days:
        return ["  quality      no labels have come yet"]
    newest = days[-1]
    expected = "" if newest.estimated_loss is None else f", expected was {newest.estimated_loss:.4f}"
    return [f"  quality      {newest.day}: loss {newest.loss:.4f} of {newest.rows:,} rows{expected}"]


def _estimated(found: tuple[EstimateFacts, ...]) -> list[str]:
    return [
        f"  estimate     {item.day}: {item.metric} {item.value:.4f}"
        + ("" if item.low is None or item.high is None else f" ({item.low:.4f} to {item.high:.4f})")
        for item in found
    ]


def _more(count: int) -> str:
    return f" and {count - SHOWN} more" if count > SHOWN else ""

"""What a check has to say about a partition."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal

from pipelines.errors import MESSAGE_LIMIT, shorten

Severity = Literal["critical", "warning"]
MAX_SENTENCES = 20


@dataclass(frozen=True)
class Finding:
    """One thing that is wrong; `critical` quarantines the partition, `warning` is only told."""

    severity: Severity
    sentence: str


def critical(sentence: str) -> Finding:
    """A finding that quarantines."""
    return Finding("critical", sentence)


def warning(sentence: str) -> Finding:
    """A finding that is only told."""
    return Finding("warning", sentence)


def sentences(findings: list[Finding], severity: Severity) -> tuple[str, ...]:
    """The sentences of one severity, each once, on one line and bounded in length and number."""
    texts = [shorten(" ".join(item.sentence.split()), MESSAGE_LIMIT) for item in findings if item.severity == severity]
    kept = list(dict.fromkeys(texts))
    if len(kept) > MAX_SENTENCES:
        kept[MAX_SENTENCES:] = [f"and {len(kept) - MAX_SENTENCES} more"]
    return tuple(kept)

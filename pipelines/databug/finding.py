"""What a check of raw data says."""

from __future__ import annotations

from dataclasses import asdict, dataclass
from typing import Any

from pipelines.config.policy import BugKind
from pipelines.errors import MESSAGE_LIMIT, shorten


@dataclass(frozen=True)
class Finding:
    """A sign that data are broken rather than the world changed. `column` is None where the whole table is meant.

    `observed` and `expected` are plain numbers or text. `score` is how many times its own bound was reached: 1 or more.
    """

    kind: BugKind
    table: str
    column: str | None
    sentence: str
    observed: float | str | None = None
    expected: float | str | None = None
    score: float = 1.0

    def __post_init__(self) -> None:
        object.__setattr__(self, "sentence", shorten(" ".join(self.sentence.split()), MESSAGE_LIMIT))
        object.__setattr__(self, "score", round(min(max(self.score, 1.0), 1e6), 3))

    def to_json(self) -> dict[str, Any]:
        """Its plain form, as `policy.evidence.BugFact` takes it."""
        return asdict(self) | {"kind": str(self.kind)}

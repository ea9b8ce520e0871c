"""What `evergreen reconcile` found, for people and for machines."""

from __future__ import annotations

from dataclasses import asdict, dataclass
from typing import Any, Literal

Kind = Literal["alias", "edited", "deleted", "foreign", "broken", "old"]


@dataclass(frozen=True)
class Finding:
    """One difference; `repaired` says whether it is none any more, `why` what stood in the way."""

    kind: Kind
    what: str
    repaired: bool = False
    why: str = ""

    @property
    def sentence(self) -> str:
        """It for people."""
        return f"{self.what}: {'repaired' if self.repaired else self.why or 'not repaired'}"


@dataclass(frozen=True)
class Report:
    """What was found, in order; nothing where MLflow shows what the ledger says."""

    model: str
    findings: tuple[Finding, ...] = ()

    @property
    def exit_code(self) -> int:
        """0 where nothing is left to do, 1 where something is."""
        return int(not all(item.repaired for item in self.findings))

    def to_json(self) -> dict[str, Any]:
        """For machines; of many findings the first twenty."""
        shown = [asdict(item) for item in self.findings[:20]]
        return {"model": self.model, "found": len(self.findings), "left": self._left(), "findings": shown}

    def render(self) -> str:
        """For people."""
        lines = [f"  {item.kind:<8} {item.sentence}" for item in self.findings]
        return "\n".join([f"{self.model}: {len(self.findings) or 'no'} differences, {self._left()} left", *lines])

    def _left(self) -> int:
        return sum(not item.repaired for item in self.findings)

"""What the scoring of a day came to."""

from __future__ import annotations

from dataclasses import asdict, dataclass
from datetime import date
from typing import Any

from pipelines.night.version import Role


@dataclass(frozen=True)
class VersionScored:
    """What one version said of the day; `difference` is a shadow's mean distance from the champion's scores."""

    version: int
    run: str
    role: Role
    rows: int
    mean: float
    file: str
    sha256: str
    new: bool
    difference: float | None = None


@dataclass(frozen=True)
class Scored:
    """The scores of a day, the champion's first. `notes` tell what could not be done beside it."""

    model: str
    day: date
    versions: tuple[VersionScored, ...]
    notes: tuple[str, ...] = ()

    @property
    def champion(self) -> VersionScored:
        """What the champion said."""
        return self.versions[0]

    def to_json(self) -> dict[str, Any]:
        """For machines."""
        return {
            "model": self.model,
            "day": self.day.isoformat(),
            "versions": [asdict(item) for item in self.versions],
            "notes": list(self.notes),
        }

    def render(self) -> str:
        """For a person."""
        lines = [f"{self.model}: {self.day}"]
        for item in self.versions:
            away = "" if item.difference is None else f", {item.difference:.4f} from the champion in the mean"
            known = "" if item.new else ", as written before"
            lines.append(
                f"  version {item.version} ({item.role}): {item.rows:,} rows, mean {item.mean:.4f}{away}{known}"
            )
            lines.append(f"    {item.file}")
        return "\n".join([*lines, *(f"  {note}" for note in self.notes)])

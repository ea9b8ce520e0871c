"""What every part of a night's monitoring is given."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import date, datetime, timedelta
from pathlib import Path

from pipelines.config.model import Model
from pipelines.config.settings import Settings
from pipelines.ledger.champion import Champion
from pipelines.ledger.git import Ledger
from pipelines.ledger.manifest import Manifest
from pipelines.night.reference import Reference
from pipelines.night.version import Version
from pipelines.stages.context import Progress

# As many matured days as the policy looks back on.
MOST_DAYS = 60


@dataclass(frozen=True)
class Watched:
    """The champion under watch: what the ledger says of it, its files, and its past."""

    standing: Champion
    version: Version
    reference: Reference

    @property
    def number(self) -> str:
        """Its version as the branch `nights` writes it."""
        return str(self.version.named.version)


@dataclass(frozen=True)
class Watch:
    """The night of `day`; `manifest` holds the months that it looks at, `scratch` takes copies."""

    settings: Settings
    ledger: Ledger
    model: Model
    day: date
    manifest: Manifest
    scratch: Path
    now: datetime
    say: Progress
    champion: Watched | None

    @property
    def matured(self) -> date:
        """The newest day whose labels are known."""
        return self.day - timedelta(days=self.model.label.maturity_days)

    def first_judged(self) -> date:
        """The first of the matured days that count for the champion: after its own test days, at most 60."""
        oldest = self.matured - timedelta(days=MOST_DAYS - 1)
        if self.champion is None:
            return oldest
        return max(oldest, self.champion.standing.window.test_end + timedelta(days=1))

    def known_until(self) -> date:
        """The newest day whose labels the champion has learnt from; without one, the day before the schedule."""
        if self.champion is None:
            return self.model.schedule.start - timedelta(days=1)
        return self.champion.standing.window.test_end

    def first_seen(self) -> date:
        """The first day whose partitions matter: unlearnt ones, those that are judged, those that may still change."""
        may_change = self.matured - timedelta(days=self.model.schedule.late_days)
        return min(self.known_until() + timedelta(days=1), self.first_judged(), may_change)

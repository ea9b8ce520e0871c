"""A home of the tiny model with a champion as of day 30, and short ways to go through its nights."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import date
from typing import Any

import stories
from stories import Story

from pipelines.config.settings import Settings
from pipelines.ledger import Ledger, nights
from pipelines.night.score import score
from pipelines.night.scored import Scored
from pipelines.policy.evidence import Evidence


@dataclass(frozen=True)
class Nights:
    """A home with a champion, and short ways to go through its nights."""

    story: Story

    @property
    def settings(self) -> Settings:
        """Where it is."""
        return self.story.settings

    def day(self, number: int) -> date:
        """A day of the tiny model."""
        return self.story.tiny.day(number)

    def ledger(self) -> Ledger:
        """Its ledger, freshly fetched."""
        return Ledger.open(self.settings, "tiny")

    def score(self, number: int, **more: Any) -> Scored:
        """Score a day."""
        return score(self.settings, "tiny", self.day(number), _quiet, **more)

    def monitor(self, number: int, **more: Any) -> Evidence:
        """Monitor a day."""
        from pipelines.night.monitor import monitor

        return monitor(self.settings, "tiny", self.day(number), _quiet, **more)

    def night(self, number: int) -> Evidence:
        """Score and monitor a day."""
        self.score(number)
        return self.monitor(number)

    def kept(self, kind: str, number: int) -> dict[str, Any]:
        """What the branch `nights` has of this kind and day."""
        return nights.days(self.ledger(), kind, self.day(number), self.day(number)).get(self.day(number), {})

    def retrain(self, number: int) -> dict[str, Any]:
        """Another retraining, as of a day."""
        done = stories.evergreen(self.settings, "run", "tiny", "--as-of", str(self.day(number)), "--json")
        assert done.returncode in (0, 4), done.stderr
        found: dict[str, Any] = stories.last_json(done)
        return found

    def ingest(self, first: int, last: int | None = None) -> None:
        """Take in days again, corrected or not."""
        days = ("--from", str(self.day(first)), "--to", str(self.day(first if last is None else last)))
        done = stories.evergreen(self.settings, "ingest", "tiny", *days)
        assert done.returncode == 0, done.stderr


def _quiet(_: str) -> None:
    pass

"""The tiny model's past, with a real champion as of day 30 and five real nights after it to compare replay with."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import date

import pytest
import stories
from night_worlds import Nights
from stories import AS_OF

from pipelines.policy.evidence import Evidence
from pipelines.replay.compare import world_of
from pipelines.replay.world import World


@dataclass(frozen=True)
class Past:
    """A home with a champion, its nights as the product saw them, and its world as replay does."""

    there: Nights
    nights: tuple[Evidence, ...]
    world: World

    def day(self, number: int) -> date:
        """A day of the tiny model."""
        return self.there.day(number)


@pytest.fixture(scope="session")
def past(tmp_path_factory: pytest.TempPathFactory) -> Past:
    """Look, do not touch."""
    there = Nights(stories.crowned(tmp_path_factory).copy(tmp_path_factory.mktemp("replayed")))
    seen = tuple(there.night(AS_OF + 1 + number) for number in range(5))
    tiny = there.story.tiny
    return Past(there, seen, world_of(there.settings, tiny.name, tiny.model, lambda _: None))

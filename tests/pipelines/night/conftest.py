"""A champion of the tiny model as of day 30, told once for all tests of this folder; nights go on from there."""

from __future__ import annotations

from pathlib import Path

import pytest
import stories
from night_worlds import Nights
from stories import AS_OF, Story

from pipelines.policy.evidence import Evidence


@pytest.fixture(scope="session")
def crowned(tmp_path_factory: pytest.TempPathFactory) -> Story:
    """The story up to the champion; look, do not touch."""
    return stories.crowned(tmp_path_factory)


@pytest.fixture
def world(crowned: Story, tmp_path: Path) -> Nights:
    """A copy of it, to go on from."""
    return Nights(crowned.copy(tmp_path / "copy"))


@pytest.fixture(scope="session")
def five(crowned: Story, tmp_path_factory: pytest.TempPathFactory) -> tuple[Nights, list[Evidence]]:
    """Five nights, from day 31 on; look, do not touch."""
    there = Nights(crowned.copy(tmp_path_factory.mktemp("five")))
    return there, [there.night(AS_OF + 1 + number) for number in range(5)]

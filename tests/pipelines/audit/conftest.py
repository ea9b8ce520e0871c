"""A champion of the tiny model that has scored two nights, told once for all tests of this folder."""

from __future__ import annotations

import shutil
from pathlib import Path

import pytest
import stories
from night_worlds import Nights
from stories import AS_OF


@pytest.fixture(scope="session")
def scored(tmp_path_factory: pytest.TempPathFactory) -> Nights:
    """The champion as of day 30, and its scores of the two days after; look, do not touch."""
    world = Nights(stories.crowned(tmp_path_factory).copy(tmp_path_factory.mktemp("scored")))
    for number in (1, 2):
        world.score(AS_OF + number)
    return world


@pytest.fixture
def copied(scored: Nights, tmp_path: Path) -> Nights:
    """A copy of it, predictions too, that may be changed."""
    story = scored.story.copy(tmp_path / "copy")
    shutil.copytree(scored.settings.home / "predictions", story.settings.home / "predictions")
    return Nights(story)

"""A ledger with a champion, the one before, a run that nobody needs, one that was given up, and bytes of nobody."""

from __future__ import annotations

from pathlib import Path

import pytest
import retention_worlds
from stories import Story


@pytest.fixture(scope="session")
def told(tmp_path_factory: pytest.TempPathFactory) -> Story:
    """The story; look, do not touch."""
    return retention_worlds.told(tmp_path_factory)


@pytest.fixture
def story(told: Story, tmp_path: Path) -> Story:
    """A copy of the story that may be changed."""
    return retention_worlds.copy(told, tmp_path / "copy")

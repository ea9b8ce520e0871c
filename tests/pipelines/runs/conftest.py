"""Two retrainings of the tiny model, told once for all tests of this folder."""

from __future__ import annotations

from pathlib import Path

import pytest
import stories
from stories import Story


@pytest.fixture(scope="session")
def told(tmp_path_factory: pytest.TempPathFactory) -> Story:
    """The story; look, do not touch."""

    def tell(root: Path) -> Story:
        return stories.retrained(stories.crowned(tmp_path_factory).copy(root), (38, ()))

    return stories.once(tmp_path_factory, "challenged", tell).copy(tmp_path_factory.mktemp("story"))


@pytest.fixture
def story(told: Story, tmp_path: Path) -> Story:
    """A copy of the story that may be changed."""
    return told.copy(tmp_path / "copy")

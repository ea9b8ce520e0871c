"""Two retrainings of the tiny model, told once for all tests of this folder."""

from __future__ import annotations

from pathlib import Path

import pytest
import stories
from stories import Story


@pytest.fixture(scope="session")
def told(tmp_path_factory: pytest.TempPathFactory) -> Story:
    """The story; look, do not touch."""
    settings, tiny = stories.ingested(tmp_path_factory.mktemp("story"))
    reports = []
    for number in (30, 38):
        done = stories.evergreen(settings, "run", "tiny", "--as-of", str(tiny.day(number)), "--json")
        assert done.returncode in (0, 4), done.stderr
        reports.append(stories.last_json(done))
    return Story(settings, tiny, tuple(reports))


@pytest.fixture
def story(told: Story, tmp_path: Path) -> Story:
    """A copy of the story that may be changed."""
    return told.copy(tmp_path / "copy")

"""A champion of the tiny model as of day 30, and a challenger as of day 38 that waits for a person."""

from __future__ import annotations

from collections.abc import Callable
from datetime import UTC, datetime
from pathlib import Path

import pytest
import stories
from stories import Story

from pipelines.ledger import Ledger, approvals
from pipelines.ledger.approvals import Answer


@pytest.fixture(scope="session")
def waiting(tmp_path_factory: pytest.TempPathFactory) -> Story:
    """The story; look, do not touch."""
    return stories.waiting(tmp_path_factory)


@pytest.fixture
def story(waiting: Story, tmp_path: Path) -> Story:
    """A copy of it that may be changed."""
    return waiting.copy(tmp_path / "copy")


@pytest.fixture
def challenger(waiting: Story) -> str:
    """The run that waits."""
    return str(waiting.reports[1]["run"])


@pytest.fixture
def answer(story: Story, challenger: str) -> Callable[..., Answer]:
    """`answer("approve", "ann")`: records it for the run that waits."""

    def give(verdict: approvals.Verdict, by: str, gates: str = "") -> Answer:
        ledger = Ledger.open(story.settings, "tiny")
        gates = gates or approvals.gates_sha256(ledger, challenger)
        given = Answer(challenger, gates, verdict, by, (by, "7"), "tests", datetime.now(UTC), "seen the report")
        approvals.record(ledger, given)
        return given

    return give

"""Case 63: S3 is away for two minutes in the middle of a retraining, which heals. Other tests are at work meanwhile."""

from __future__ import annotations

from concurrent.futures import Future

from stack.machine.stories import AWAY_SECONDS


def test_two_minutes_away_heal(away: Future[float]) -> None:
    assert away.result() > AWAY_SECONDS - 5

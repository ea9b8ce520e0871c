"""`evergreen status`: champion, last run, last refusal, last night, and who waits."""

from __future__ import annotations

from stories import Story

from pipelines.ledger import Ledger, requests, verdicts
from pipelines.runs.status import fleet, render


def test_nobody_asked_and_no_night_yet(told: Story) -> None:
    (entry,) = fleet(told.settings)["models"]
    assert (entry["last_night"], entry["open_requests"]) == (None, [])
    assert "last night" not in render(fleet(told.settings))


def test_the_last_night_and_who_waits_are_told(story: Story) -> None:
    ledger, day = Ledger.open(story.settings, "tiny"), story.tiny.day(39)
    verdicts.record(ledger, day, {"day": str(day), "verdict": "cooldown", "sentence": "Too soon."}, {})
    requests.ask(ledger, "alert-1", "drift in Newark", "tests")
    (entry,) = fleet(story.settings)["models"]
    assert entry["last_night"] == {"day": str(day), "verdict": "cooldown", "sentence": "Too soon."}
    assert entry["open_requests"] == [{"key": "alert-1", "reason": "drift in Newark"}]
    text = render(fleet(story.settings))
    assert f"last night   {day}: cooldown. Too soon." in text
    assert "asked for    alert-1: drift in Newark" in text

"""Decisions as people read them."""

from __future__ import annotations

from pipelines.policy.text import full, line


def test_a_night_on_a_line(judge) -> None:
    decision = judge({"age": {"days": 10}})
    assert line(decision) == "2013-06-20  retrain      Age fired: champion 15 days old, limit 10."
    assert line(decision, 2).endswith(" (revision 2)")


def test_a_night_in_full(judge) -> None:
    lines = full(judge({"age": {"days": 10}, "drift": {}, "performance": {}})).splitlines()
    assert lines[1].startswith("  champion version 3, evidence ")
    assert lines[2].split() == ["trigger", "score", "threshold"]
    table = {cells[0]: cells for cells in (text.split() for text in lines[3:])}
    assert table["age"][:4] == ["age", "fired", "15", "10"]
    assert table["drift"][:4] == ["drift", "-", "0.02", "0.1"]
    assert table["cooldown"][:3] == ["cooldown", "-", "no"]
    assert max(map(len, lines)) < 300


def test_a_night_without_champion(judge) -> None:
    text = full(judge({}, champion=None, age_days=None, drift=None, performance=(), reference={}))
    assert "champion none yet" in text

"""From promotion to rollback by the night's own code: a champion that turns out worse is taken back."""

from __future__ import annotations

import pytest
import stories

from pipelines.ledger import Ledger, rollbacks
from pipelines.ledger import champion as champions
from pipelines.release.rollback import automatic

pytestmark = pytest.mark.slow


def quiet(_: str) -> None:
    """Says nothing."""


WORSE = """
monitoring: {shadow: previous}
rollback: {automatic: on, worse_by: 0.05, within_days: 3, min_days: 3, min_rows: 300}
"""


def test_a_worse_champion_is_taken_back_by_what_the_nights_themselves_saw(waiting, tmp_path) -> None:
    """From promotion to rollback by the night's own code, nothing written by hand: the challenger's gates are off, it
    is one round deep, it is approved after two nights without it, and its labels come a day late."""
    story = waiting.copy(tmp_path / "worse")
    story.tiny.edit("rounds: 60", "rounds: 1")
    story.tiny.edit("gates:", "gates:\n  modes: {champion: dry_run, baseline: dry_run, calibration: dry_run}")
    path = story.tiny.folder / "model.yaml"
    path.write_text(path.read_text() + WORSE)
    done = stories.evergreen(story.settings, "run", "tiny", "--as-of", str(story.tiny.day(33)), "--json")
    assert done.returncode == 0, done.stderr + done.stdout
    ledger = Ledger.open(story.settings, "tiny")
    standing = champions.current(ledger)
    assert (standing.version, standing.previous.version) == (stories.last_json(done)["version"], 1)
    for number in range(36, 40):  # days 34 and 35 passed before it was approved
        assert rollbacks.due(Ledger.open(story.settings, "tiny")) is None
        done = stories.evergreen(story.settings, "night", "tiny", "--date", str(story.tiny.day(number)))
        assert done.returncode == 0, done.stderr + done.stdout
    due = rollbacks.due(Ledger.open(story.settings, "tiny"))
    assert due is not None
    assert due["evidence"]["days"] == [str(story.tiny.day(number)) for number in (36, 37, 38)]
    assert automatic(story.settings, "tiny", quiet).summary["version"] == 1
    ledger.fetch()
    back = champions.current(ledger)
    assert (back.version, back.approver, back.previous.version) == (1, "automatic", standing.version)

"""Retention beside a run that publishes, and killed at every step: nothing that is needed is lost, and it goes on."""

from __future__ import annotations

import time
from pathlib import Path

import pytest
import retention_worlds
import stories
import warm
from retention_worlds import age, place
from stories import Story

from pipelines.ledger import Ledger, champion

NOW = ["--young-seconds", "0"]
STEPS = ("ending run", "marking", "sweeping", "looking again", "back from the shelf", "MLflow, predictions")


@pytest.fixture(scope="module")
def told(tmp_path_factory: pytest.TempPathFactory) -> Story:
    return retention_worlds.told(tmp_path_factory)


@pytest.fixture
def story(told: Story, tmp_path: Path) -> Story:
    return retention_worlds.copy(told, tmp_path / "copy")


@pytest.mark.slow
@pytest.mark.timeout(1200)  # seven sweeps and two reproductions, after three retrainings
def test_killed_at_every_step_it_loses_nothing_and_goes_on(story):
    for step in STEPS:
        stories.killed(story.settings, ["gc", "--apply", *NOW], lambda said, step=step: step in said)
        assert champion.current(Ledger.open(story.settings, "tiny")) is not None
    done = stories.evergreen(story.settings, "gc", "--apply", *NOW)
    assert done.returncode == 0, done.stderr
    assert not place(story.settings, "0" * 32).exists()
    age(story.settings, 8)
    assert stories.evergreen(story.settings, "gc", "--apply").returncode == 0
    both_come_out_again(story)


@pytest.mark.slow
def test_a_run_that_publishes_meanwhile_loses_nothing(story):
    """With no grace at all every sweep takes whatever the run has pushed and not yet named."""
    arguments = ["run", "tiny", "--as-of", str(story.tiny.day(39)), "--json"]
    log = story.settings.home / "run.txt"
    with log.open("w") as out:
        run = warm.start([stories.EVERGREEN, *arguments], stories.environment(story.settings), out, out)
    sweeps, deadline = 0, time.monotonic() + 400
    while run.poll() is None:
        assert time.monotonic() < deadline, log.read_text()
        done = stories.evergreen(story.settings, "gc", "--apply", *NOW)
        assert done.returncode == 0, done.stderr
        sweeps += 1
    assert run.returncode in (0, 4), log.read_text()
    assert sweeps > 1
    assert stories.evergreen(story.settings, "gc", "--apply").returncode == 0
    both_come_out_again(story)


@pytest.mark.slow
def test_what_a_run_uses_again_though_it_is_old_and_unmarked_comes_back(story):
    """The trap: a run finds bytes in the remote and does not send them, while nobody names them yet."""
    ended = stories.evergreen(story.settings, "gc", "--apply", *NOW)
    assert ended.returncode == 0, ended.stderr
    model = story.settings.models / "tiny" / "model.yaml"
    # The champion of by now has seen all of this run's days: its gate would have nothing to go by.
    model.write_text(model.read_text().replace("gates:\n", "gates:\n  modes: {champion: dry_run}\n"))
    again = stories.evergreen(
        story.settings, "run", "tiny", "--as-of", str(story.tiny.day(34)), "--promotion", "dry_run", "--json"
    )
    assert again.returncode == 0, again.stderr
    report = stories.last_json(again)
    assert stories.evergreen(story.settings, "gc", "--apply").returncode == 0
    assert stories.evergreen(story.settings, "reproduce", "tiny", str(report["version"])).returncode == 0


@pytest.mark.slow
def test_an_erasure_that_is_killed_is_ended_by_the_same_again(story):
    key = story.tiny.day(35).strftime("%Y%m%d-00003")
    arguments = ["erase", "tiny", "--table", "orders", "--key", key, "--reason", "asked for", "--apply"]
    for step in ("looking for the rows", "files of predictions", "one commit"):
        stories.killed(story.settings, arguments, lambda said, step=step: step in said)
    done = stories.evergreen(story.settings, *arguments, "--json")
    assert done.returncode == 0, done.stderr
    told = stories.last_json(done)
    assert set(told["versions"].values()) >= {story.reports[1]["version"]}
    assert told["champion"]
    again = stories.last_json(stories.evergreen(story.settings, *arguments, "--json"))
    assert again["partitions"] == []


def both_come_out_again(story: Story) -> None:
    """The champion and the one before it are reproduced, byte for byte."""
    standing = champion.current(Ledger.open(story.settings, "tiny"))
    assert standing is not None
    assert standing.previous is not None
    for version in (standing.previous.version, standing.version):
        done = stories.evergreen(story.settings, "reproduce", "tiny", str(version))
        assert done.stdout.startswith("identical"), done.stdout + done.stderr

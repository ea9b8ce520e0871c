"""`evergreen gc` on real runs: what ends, what stays, what waits on the shelf and what comes back from it."""

from __future__ import annotations

import pytest
import stories
from retention_worlds import age, place
from stories import Story

from pipelines.ledger import Ledger
from pipelines.ledger.refs import every
from pipelines.ledger.store import Store
from pipelines.registry import Registry

NOBODY = "0" * 32
NOW = ("--young-seconds", "0")


def gc(story: Story, *more: str, do: str = "--apply") -> dict:
    done = stories.evergreen(story.settings, "gc", do, "--json", *more)
    assert done.returncode == 0, done.stderr
    return stories.last_json(done)


def identical(story: Story, version: int) -> bool:
    done = stories.evergreen(story.settings, "reproduce", "tiny", str(version))
    return done.returncode == 0 and done.stdout.startswith("identical")


def refs(story: Story) -> dict:
    return every(Ledger.open(story.settings, "tiny"))


@pytest.mark.slow
def test_runs_end_bytes_wait_and_go_and_champions_come_out_again(story):
    ends = {story.reports[2]["run"], stories.run_id(story.tiny.day(36), "up")}
    before = refs(story)
    planned = gc(story, *NOW, do="--dry-run")
    assert set(planned["models"]["tiny"]["ended"]) == ends
    assert planned["models"]["tiny"]["versions"] == [story.reports[2]["version"]]
    assert planned["objects"]["shelve"]["count"] > 3
    assert refs(story) == before, "a dry run changes nothing"
    assert place(story.settings, NOBODY).is_file()

    done = gc(story, *NOW)
    assert done["objects"]["shelve"] == planned["objects"]["shelve"]
    assert {name.rpartition("/")[2] for name in before if "/run" in name} - ends == {
        name.rpartition("/")[2] for name in refs(story) if "/run" in name
    }
    assert not place(story.settings, NOBODY).exists()
    assert place(story.settings, NOBODY, "trash").is_file()
    registry = Registry(story.settings.mlflow_uri, story.settings.artifacts)
    assert registry.version_of("tiny", f"runs/{story.reports[2]['run']}") is None
    assert registry.aliases("tiny")["champion"] == story.reports[1]["version"]

    assert gc(story, *NOW)["objects"]["forget"]["count"] == 0, "the shelf is kept for a week"
    age(story.settings, 8)
    assert gc(story)["objects"]["forget"]["count"] > 3
    assert not place(story.settings, NOBODY, "trash").exists()
    assert identical(story, story.reports[0]["version"])
    assert identical(story, story.reports[1]["version"])


def test_what_a_ref_needs_comes_back_from_the_shelf(story):
    store = Store.open(story.settings, story.settings.home / "look", scm=False)
    wanted = next(
        path for path in (place(story.settings, "00").parents[1]).rglob("*") if path.is_file() and path.stem != "0" * 30
    )
    oid = wanted.parent.name + wanted.name
    shelf = place(story.settings, oid, "trash")
    shelf.parent.mkdir(parents=True)
    wanted.rename(shelf)
    store.cached(oid).unlink(missing_ok=True)
    store.fetch([oid])
    assert wanted.is_file(), "a reader finds it there"
    wanted.rename(shelf)
    assert gc(story)["objects"]["restore"]["count"] == 1
    assert wanted.is_file()
    assert not shelf.exists()
    store.close()

"""What somebody does by hand in MLflow is found, undone where that is possible, recorded, and told."""

from __future__ import annotations

import pytest
import stories

from pipelines.ledger import Ledger, decisions, outbox
from pipelines.registry import LEDGER_TAG, Registry
from pipelines.release.promote import project
from pipelines.release.reconcile import reconcile
from pipelines.release.seen import SHA256, versions


def quiet(_: str) -> None:
    """Says nothing."""


def look(story, *, repair: bool = True):
    return reconcile(story.settings, "tiny", quiet, repair=repair)


def kinds(report) -> list[tuple[str, bool]]:
    return [(item.kind, item.repaired) for item in report.findings]


def alerts(story) -> list[str]:
    return [entry.alert.title for entry in outbox.waiting(Ledger.open(story.settings, "tiny"))]


@pytest.fixture
def registry(story) -> Registry:
    return Registry.of(story.settings)


def test_where_nothing_was_done_nothing_is_found(story) -> None:
    assert (look(story).findings, alerts(story)) == ((), [])
    assert decisions.find(Ledger.open(story.settings, "tiny"), "reconcile") == []


def test_an_alias_moved_by_hand_goes_back(story, registry) -> None:
    registry.set_alias("tiny", "champion", 2)
    registry.set_alias("tiny", "previous", 2)
    seen = look(story, repair=False)
    assert kinds(seen) == [("alias", False), ("alias", False)]
    assert (registry.aliases("tiny")["champion"], seen.exit_code, alerts(story)) == (2, 1, [])
    done = look(story)
    assert (kinds(done), done.exit_code) == ([("alias", True), ("alias", True)], 0)
    assert "alias champion is version 2, the ledger says version 1" in done.findings[0].sentence
    assert registry.aliases("tiny") == {"champion": 1, "challenger": 2}
    assert alerts(story) == ["tiny: MLflow was not what the ledger says"]
    (kept,) = decisions.find(Ledger.open(story.settings, "tiny"), "reconcile")
    assert (kept["found"], kept["left"]) == (2, 0)
    assert look(story).findings == ()


def test_an_edited_version_gets_its_tags_again(story, registry) -> None:
    before = versions(registry, "tiny")
    with registry.client() as client:
        client.set_model_version_tag("tiny", "1", SHA256, "0" * 64)
        client.delete_model_version_tag("tiny", "1", LEDGER_TAG)
        client.set_model_version_tag("tiny", "2", SHA256, "f" * 64)
    assert kinds(look(story)) == [("edited", True), ("edited", True)]
    assert versions(registry, "tiny") == before


def test_a_deleted_champion_is_registered_again_under_another_number(story, registry) -> None:
    with registry.client() as client:
        client.delete_model_version("tiny", "1")
    assert kinds(look(story)) == [("deleted", True), ("alias", True)]
    run = f"runs/{story.reports[0]['run']}"
    assert registry.version_of("tiny", run) == 3
    assert registry.aliases("tiny")["champion"] == 3
    project(story.settings, "tiny")
    assert look(story).findings == ()


def test_a_version_of_unknown_origin_is_named_once_and_left(story, registry) -> None:
    with registry.client() as client:
        client.create_model_version("tiny", source=str(story.settings.home), tags={"by": "hand"})
    for _ in range(2):
        assert kinds(look(story)) == [("foreign", False)]
    assert alerts(story) == ["tiny: MLflow was not what the ledger says, and is not"]
    assert set(versions(registry, "tiny")) == {1, 2, 3}


def test_the_command_line_tells_what_is_left(story, registry) -> None:
    registry.set_alias("tiny", "champion", 2)
    done = stories.evergreen(story.settings, "reconcile", "tiny", "--dry-run")
    assert (done.returncode, "1 differences, 1 left" in done.stdout) == (1, True)
    done = stories.evergreen(story.settings, "stage", "reconcile", "--model", "tiny")
    assert (stories.last_json(done)["left"], registry.aliases("tiny")["champion"]) == (0, 1)

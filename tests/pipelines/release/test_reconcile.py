"""What somebody does by hand in MLflow is found, undone where that is possible, recorded, and told."""

from __future__ import annotations

import sqlite3
from collections.abc import Iterator
from pathlib import Path
from urllib.parse import urlparse

import pytest
import stories

from pipelines.card.publish import TAG as CARD
from pipelines.errors import PassingFault
from pipelines.ledger import Ledger, challengers, decisions, lease, outbox
from pipelines.registry import LEDGER_TAG, PLACES, Registry
from pipelines.release.promote import project, promote
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


@pytest.mark.parametrize("to", [1, None])
def test_the_challenger_is_the_newest_run_that_passed(story, registry, to: int | None) -> None:
    if to is None:
        with registry.client() as client:
            client.delete_registered_model_alias("tiny", "challenger")
    else:
        registry.set_alias("tiny", "challenger", to)
    (found,) = look(story).findings
    told = "none" if to is None else f"version {to}"
    assert (found.kind, found.what) == ("alias", f"alias challenger is {told}, the ledger says version 2")
    assert registry.aliases("tiny") == {"champion": 1, "challenger": 2}


def test_the_newest_has_the_newest_data_and_passed() -> None:
    gates = {"2024-02-01-b": {"passed": True}, "2024-01-01-z": {"passed": True}, "2024-03-01-a": {"passed": False}}
    assert challengers.newest(gates) == "2024-02-01-b"
    assert challengers.newest({}) is None


@pytest.fixture
def files(story, registry) -> Iterator[list[Path]]:
    """What each version has in MLflow. A copied registry names the original's files: they come back."""
    places = [str(item.logged) for _, item in sorted(versions(registry, "tiny").items())]
    found = [Path(urlparse(place).path) for place in places]
    before = [{path: path.read_bytes() for path in place.rglob("*") if path.is_file()} for place in found]
    yield found
    for place, contents in zip(found, before, strict=True):
        for path in place.rglob("*"):
            if path.is_file() and path not in contents:
                path.unlink()
        for path, content in contents.items():
            path.parent.mkdir(exist_ok=True)
            path.write_bytes(content)


@pytest.mark.parametrize("how", ["overwritten", "removed"])
@pytest.mark.parametrize("name", PLACES)
def test_files_that_are_not_the_champions_are_put_back(story, registry, files, name: str, how: str) -> None:
    file = files[0] / PLACES[name]
    good = file.read_bytes()
    if how == "removed":
        file.unlink()
    else:
        file.write_bytes(good.replace(b"0", b"1", 1))
    seen = look(story, repair=False)
    assert kinds(seen) == [("edited", False)]
    assert f"{name} of version 1 is not what the ledger says" in seen.findings[0].what
    assert kinds(look(story)) == [("edited", True)]
    assert file.read_bytes() == good
    assert look(story).findings == ()


@pytest.mark.parametrize(
    ("good", "bad"),
    [
        ("code_model", "elsewhere"),
        ("artifacts/model.json", "artifacts/other.json"),
        ("/model.py", "/other.py"),
        ("flavors:", "flavors: ["),
        ("flavors:", f"deep: {'[' * 5000}{']' * 5000}\nflavors:"),
        ("flavors:", "a: &a [x]\nb: [*a, *a]\nflavors:"),
        ("python_function:", "xgboost: {}\n  python_function:"),
    ],
)
def test_what_mlflow_runs_is_put_back(story, registry, files, good: str, bad: str) -> None:
    file = files[0] / "MLmodel"
    text = file.read_text()
    assert good in text
    file.write_text(text.replace(good, bad, 1))
    (found,) = look(story).findings
    assert (found.what, found.repaired) == ("MLmodel of version 1 is not what the ledger says", True)
    assert look(story).findings == ()


def test_a_card_at_another_address_comes_back(story, registry) -> None:
    before = versions(registry, "tiny")
    with registry.client() as client:
        client.set_model_version_tag("tiny", "1", CARD, "http://elsewhere/card.html")
        client.delete_model_version_tag("tiny", "2", CARD)
    assert kinds(look(story)) == [("edited", True), ("edited", True)]
    assert versions(registry, "tiny") == before


def test_a_deleted_challenger_is_registered_again_and_can_be_promoted(story, registry, challenger, answer) -> None:
    with registry.client() as client:
        client.delete_model_version("tiny", "2")
    answer("approve", "ann")
    with pytest.raises(PassingFault, match="has no version yet"):
        promote(story.settings, "tiny", challenger, quiet)
    assert kinds(look(story)) == [("deleted", True), ("alias", True)]
    assert (registry.version_of("tiny", f"runs/{challenger}"), registry.aliases("tiny")["challenger"]) == (3, 3)
    assert promote(story.settings, "tiny", challenger, quiet).summary["version"] == 3
    assert look(story).findings == ()


def test_a_run_that_is_about_to_be_registered_is_not_gone(story, registry, challenger) -> None:
    with registry.client() as client:
        client.delete_model_version("tiny", "2")
    lease.acquire(Ledger.open(story.settings, "tiny"), challenger, 600)
    assert look(story).findings == ()
    assert registry.version_of("tiny", f"runs/{challenger}") is None


def test_an_edited_version_gets_its_tags_again(story, registry) -> None:
    before = versions(registry, "tiny")
    with registry.client() as client:
        client.set_model_version_tag("tiny", "1", SHA256, "0" * 64)
        client.delete_model_version_tag("tiny", "1", LEDGER_TAG)
        client.set_model_version_tag("tiny", "2", SHA256, "f" * 64)
    assert kinds(look(story)) == [("edited", True), ("edited", True)]
    assert versions(registry, "tiny") == before


@pytest.mark.parametrize(("number", "alias"), [(1, "champion"), (2, "challenger")])
def test_a_version_that_points_elsewhere_is_registered_again(story, registry, number: int, alias: str) -> None:
    with sqlite3.connect(registry.uri.removeprefix("sqlite:///")) as database:
        database.execute("UPDATE model_versions SET source = 'file:///somebody/elses' WHERE version = ?", (number,))
    report = look(story)
    assert ("edited", True) in kinds(report)
    assert f"version {number} points to file:///somebody/elses" in report.findings[0].sentence
    again = versions(registry, "tiny")[registry.aliases("tiny")[alias]]
    assert again.version > 2
    assert again.source == again.logged
    assert look(story).findings == ()


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

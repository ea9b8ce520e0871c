"""A version's lineage, from the raw partitions to the nights it scored."""

from __future__ import annotations

import json

import pytest
import stories

from pipelines.audit import explain as module
from pipelines.audit.explain import explain
from pipelines.audit.lineage import render
from pipelines.errors import InputError, PassingFault
from pipelines.ledger.manifest import load_manifest
from pipelines.registry import Registry
from pipelines.storage.files import sha256_file


@pytest.fixture(scope="module")
def found(scored):
    return explain(scored.settings, "tiny", 1)


def test_it_begins_at_the_raw_partitions(scored, found):
    manifest = load_manifest(scored.ledger())
    assert found["partitions"] == [
        manifest.accepted(item["table"], item["partition"]).to_dict() for item in found["partitions"]
    ]
    newest = next(item for item in found["partitions"] if item["partition"] == found["window"]["as_of"])
    delivered = scored.story.tiny.path(newest["table"], scored.day(30))
    assert newest["sha256"] == sha256_file(delivered)
    assert {item["verdict"] for item in found["partitions"]} == {"accepted"}


def test_and_goes_on_to_model_aliases_and_nights(scored, found):
    run = scored.story.reports[0]["run"]
    gates = json.loads(scored.ledger().read(f"runs/{run}", "out/evaluate/gates.json"))
    assert (found["run"], found["model_sha256"]) == (run, gates["model_sha256"])
    assert found["features"]["sha256"] == sha256_file(scored.story.tiny.folder / "features.py")
    assert found["training"]["seed"] == 2013
    assert found["aliases"] == ["challenger", "champion"]
    assert [item["day"] for item in found["nights"]] == [str(scored.day(31)), str(scored.day(32))]
    assert {(item["role"], item["rows"]) for item in found["nights"]} == {("champion", 120)}
    assert found["reigns"][0]["until"] is None
    assert found["broken"] == []


def test_a_person_reads_it_from_top_to_bottom(found):
    text = render(found)
    places = [text.index(f"\n  {title}\n") for title in ("raw data", "features", "training", "gates", "nights")]
    assert places == sorted(places)
    assert found["model_sha256"] in text
    assert "BROKEN" not in text
    assert render(found, every=True).count("lake/orders/") == 31 > text.count("lake/orders/") == 1


def test_a_version_that_is_not_there_is_refused(scored):
    with pytest.raises(InputError, match="there is no version 9"):
        explain(scored.settings, "tiny", 9)


def test_a_champion_is_explained_without_mlflow(scored, monkeypatch):
    def away(*_):
        raise PassingFault("MLflow does not answer")

    monkeypatch.setattr(Registry, "aliases", away)
    found = explain(scored.settings, "tiny", 1)
    assert (found["aliases"], found["broken"]) == (None, [])
    assert "MLflow does not answer" in render(found)
    with pytest.raises(PassingFault):
        explain(scored.settings, "tiny", 9)


def test_links_that_do_not_fit_are_told(scored, monkeypatch):
    facts = module._facts

    def spoilt(*arguments):
        found = facts(*arguments)
        found["signature"]["model_sha256"] = "0" * 64
        return found

    monkeypatch.setattr(module, "_facts", spoilt)
    found = explain(scored.settings, "tiny", 1)
    assert len(found["broken"]) == 1
    assert "the model that was judged" in render(found)


def test_the_command_prints_json_for_machines(scored):
    done = stories.evergreen(scored.settings, "explain", "tiny", "1", "--json")
    assert done.returncode == 0, done.stderr
    assert stories.last_json(done)["version"] == 1

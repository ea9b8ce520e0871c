"""Versions from before publications: they say so, and one command publishes them anew in their place."""

from __future__ import annotations

import shutil
from pathlib import Path
from urllib.parse import urlparse

import pytest
import stories

from pipelines.errors import ConfigError
from pipelines.registry import PUBLISHED, Registry
from pipelines.release import publication
from pipelines.release.reconcile import LOGGED, reconcile
from pipelines.release.seen import versions


def quiet(_: str) -> None:
    """Says nothing."""


@pytest.fixture
def registry(story) -> Registry:
    return Registry.of(story.settings)


@pytest.fixture
def old(story, registry):
    """Version 1 as it was registered before: the bare booster, every input an optional double, no tag."""
    import mlflow.xgboost
    import xgboost
    from mlflow.models import Model, ModelSignature
    from mlflow.types import ColSpec, Schema

    item = versions(registry, "tiny")[1]
    place = Path(urlparse(str(item.logged)).path)
    kept = place.with_name(f"{place.name}.kept")
    place.rename(kept)
    booster = xgboost.Booster(model_file=str(kept / "artifacts" / "model.json"))
    inputs = Schema([ColSpec("double", name, required=False) for name in booster.feature_names])
    with registry.client() as client:
        mlflow.xgboost.save_model(
            booster,
            place,
            mlflow_model=Model(model_id=item.model_id),
            signature=ModelSignature(inputs, Schema([ColSpec("double")])),
            model_format="json",
            pip_requirements=["xgboost"],
        )
        client.delete_logged_model_tag(item.model_id, PUBLISHED)
    yield place
    shutil.rmtree(place)
    kept.rename(place)


def loaded(registry: Registry):
    with registry.client():
        import mlflow

        return mlflow.pyfunc.load_model("models:/tiny@champion")


def test_the_old_kind_says_so_and_is_published_anew_in_its_place(story, registry, old) -> None:
    (told,) = reconcile(story.settings, "tiny", quiet, repair=True).findings
    assert (told.kind, told.repaired) == ("old", False)
    assert "version 1 is of the old kind" in told.sentence
    assert "`evergreen republish tiny`" in told.sentence
    assert (old / LOGGED).is_file()
    before = versions(registry, "tiny"), registry.aliases("tiny")
    done = stories.evergreen(story.settings, "republish", "tiny", "--json")
    assert done.returncode == 0, done.stderr
    assert [item["version"] for item in stories.last_json(done)["republished"]] == [1]
    after = versions(registry, "tiny"), registry.aliases("tiny")
    assert after[1] == before[1]
    assert [(item.version, item.source, item.model_id) for item in after[0].values()] == [
        (item.version, item.source, item.model_id) for item in before[0].values()
    ]
    model = loaded(registry)
    assert {item.type.name for item in model.metadata.get_input_schema().inputs} >= {"string", "double"}
    assert reconcile(story.settings, "tiny", quiet, repair=True).findings == ()
    assert publication.republish(story.settings, "tiny", None, quiet) == {
        "model": "tiny",
        "republished": [],
        "left": [],
    }


def test_a_version_can_be_named_and_one_that_is_none_is_refused(story, registry, old) -> None:
    done = publication.republish(story.settings, "tiny", 2, quiet)
    assert [item["version"] for item in done["republished"]] == [2]
    assert versions(registry, "tiny")[1].old
    with pytest.raises(ConfigError, match="there is no version 9"):
        publication.republish(story.settings, "tiny", 9, quiet)


def test_a_version_of_somebody_else_is_left(story, registry) -> None:
    with registry.client() as client:
        client.create_model_version("tiny", source=str(story.settings.home), tags={"by": "hand"})
    done = publication.republish(story.settings, "tiny", 3, quiet)
    assert (done["republished"], done["left"][0]["why"]) == ([], "no run of the ledger made it")

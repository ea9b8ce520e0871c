"""What MLflow shows of runs that have ended: gone with them, whether or not they ever had a version."""

from __future__ import annotations

import pytest

from pipelines.config.settings import Settings
from pipelines.registry import LEDGER_TAG, Registry
from pipelines.retention.projection import removable

KEPT, REFUSED, PASSED, ALIASED = (f"2024-01-{day}-20260101T000000Z-abcdef" for day in (20, 21, 22, 23))


@pytest.fixture
def registry(settings: Settings) -> Registry:
    """Four runs with a model each; two have a version, one of these an alias."""
    registry = Registry.of(settings)
    with registry.client() as client:
        experiment = client.create_experiment("tiny")
        client.create_registered_model("tiny")
        for run in (KEPT, REFUSED, PASSED, ALIASED):
            made = client.create_run(experiment, tags={LEDGER_TAG: f"runs/{run}"})
            logged = client.create_logged_model(experiment, name="model", source_run_id=made.info.run_id)
            if run in (PASSED, ALIASED):
                client.create_model_version(
                    "tiny", logged.artifact_location, made.info.run_id, tags={LEDGER_TAG: f"runs/{run}"}
                )
        client.set_registered_model_alias("tiny", "champion", "2")
    return registry


def shown(registry: Registry) -> tuple[set[str], int]:
    """The runs of the ledger that MLflow shows, and how many models."""
    with registry.client() as client:
        experiment = client.get_experiment_by_name("tiny").experiment_id
        runs = {item.data.tags[LEDGER_TAG].removeprefix("runs/") for item in client.search_runs([experiment])}
        return runs, len(client.search_logged_models([experiment]))


def test_all_that_was_logged_of_ended_runs_goes_but_what_an_alias_names(registry) -> None:
    ended = {REFUSED, PASSED, ALIASED}
    assert removable(registry, "tiny", ended, remove=False) == [1]
    assert shown(registry) == ({KEPT, REFUSED, PASSED, ALIASED}, 4)
    assert removable(registry, "tiny", ended, remove=True) == [1]
    assert shown(registry) == ({KEPT, ALIASED}, 2)
    assert removable(registry, "tiny", ended, remove=True) == []


def test_a_model_that_mlflow_does_not_know_has_nothing_there(registry) -> None:
    assert removable(registry, "other", {REFUSED}, remove=True) == []

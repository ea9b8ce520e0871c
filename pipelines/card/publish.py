"""Puts a version's card where people find it: beside its run in MLflow, named on the version."""

from __future__ import annotations

from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

from pipelines.errors import PassingFault
from pipelines.registry import LEDGER_TAG, Registry

TAG = "card"


@dataclass(frozen=True)
class Place:
    """Where MLflow keeps a card: the artifact `path` of one run."""

    experiment: str
    run: str
    path: str

    @property
    def page(self) -> str:
        """What follows MLflow's address."""
        return f"/#/experiments/{self.experiment}/runs/{self.run}/artifacts/{self.path}"

    def to_json(self) -> dict[str, Any]:
        """For the result of the step: `page` is what follows MLflow's address."""
        return asdict(self) | {"page": self.page}


def publish(registry: Registry, model: str, version: int, card: Path) -> Place:
    """Keep the file `card` with the run of `version`, under its own name; what was there is replaced.

    Raises:
        PassingFault: MLflow does not answer, or the version has no run.
    """
    with registry.client() as client:
        found = client.get_model_version(model, str(version))
        if not found.run_id:
            raise PassingFault(
                f"version {version} has no run",
                where=found.tags.get(LEDGER_TAG, model),
                remedy="run the register step again",
            )
        experiment = client.get_run(found.run_id).info.experiment_id
        client.log_artifact(found.run_id, str(card))
        place = Place(str(experiment), str(found.run_id), card.name)
        client.set_model_version_tag(model, str(version), TAG, f"runs:/{place.run}/{place.path}")
    return place

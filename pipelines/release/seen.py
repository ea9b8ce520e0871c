"""The registry as it is found: every version of a model with what identifies it, and how one of them is mended."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

from pipelines.card.publish import TAG as CARD
from pipelines.registry import LEDGER_TAG, PUBLISHED, Registry

SHA256 = "model.sha256"
RETIRED = "ledger.retired"


@dataclass(frozen=True)
class Seen:
    """A version in MLflow: the ledger's tag and the sha256 it claims, where its bytes are, and where its run put them.

    `logged`, with the `model_id` there, is None where the run, or what it logged, is gone. `run` is MLflow's run,
    `card` the address of the card that the version names; both are empty where it has none. `published` is the sha256
    of what was published of it, as MLflow was told; empty: nothing was.
    """

    version: int
    tag: str
    sha256: str
    source: str
    logged: str | None
    model_id: str | None
    run: str
    card: str
    retired: bool
    published: str = ""

    @property
    def old(self) -> bool:
        """Whether its run logged a bare model, which only Evergreen can ask: from before there was a publication."""
        return self.logged is not None and not self.published


def versions(registry: Registry, model: str) -> dict[int, Seen]:
    """Every version of `model`, by its number."""
    with registry.client() as client:
        found, page = [], None
        while True:
            answer = client.search_model_versions(f"name='{model}'", max_results=1000, page_token=page)
            found += answer
            page = answer.token
            if not page:
                break
        experiment = client.get_experiment_by_name(model)
        places = _places(client, experiment.experiment_id) if experiment and found else {}
    return {
        int(item.version): Seen(
            version=int(item.version),
            tag=item.tags.get(LEDGER_TAG, ""),
            sha256=item.tags.get(SHA256, ""),
            source=item.source,
            logged=places.get(item.run_id, _NOWHERE)[0],
            model_id=places.get(item.run_id, _NOWHERE)[1],
            published=places.get(item.run_id, _NOWHERE)[2],
            run=item.run_id or "",
            card=item.tags.get(CARD, ""),
            retired=RETIRED in item.tags,
        )
        for item in found
    }


_NOWHERE = (None, None, "")


def _places(client: object, experiment: str) -> Mapping[str, tuple[str, str, str]]:
    """Run to the place, the id, and the sha256 of the publication, of the model that it logged."""
    found: dict[str, tuple[str, str, str]] = {}
    page = None
    while True:
        answer = client.search_logged_models([experiment], max_results=1000, page_token=page)  # type: ignore[attr-defined]
        found |= {
            item.source_run_id: (item.artifact_location, item.model_id, item.tags.get(PUBLISHED, "")) for item in answer
        }
        page = answer.token
        if not page:
            return found


def mend(registry: Registry, model: str, version: int, tag: str, sha256: str) -> None:
    """Give a version the ledger's tag and sha256 again."""
    with registry.client() as client:
        client.set_model_version_tag(model, str(version), LEDGER_TAG, tag)
        client.set_model_version_tag(model, str(version), SHA256, sha256)


def put_model(registry: Registry, item: Seen, file: Path) -> None:
    """Put `file` under its own name in the place of what the version's run logged; raises PassingFault."""
    with registry.client() as client:
        client.log_model_artifact(str(item.model_id), str(file))


def retire(registry: Registry, model: str, version: int, why: str) -> None:
    """Take the ledger's tag from a version, so that its run can be registered again; the version itself stays."""
    with registry.client() as client:
        client.delete_model_version_tag(model, str(version), LEDGER_TAG)
        client.set_model_version_tag(model, str(version), RETIRED, why[:500])


def drop_alias(registry: Registry, model: str, alias: str) -> None:
    """Remove an alias."""
    with registry.client() as client:
        client.delete_registered_model_alias(model, alias)

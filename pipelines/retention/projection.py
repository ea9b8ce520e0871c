"""What MLflow shows of runs that retention has ended: removed there too, unless an alias names it."""

from __future__ import annotations

from collections.abc import Collection, Iterator
from typing import TYPE_CHECKING, Any

from pipelines.registry import LEDGER_TAG, Registry

if TYPE_CHECKING:
    from mlflow import MlflowClient

_PAGE = 1000


def removable(registry: Registry, model: str, runs: Collection[str], *, remove: bool) -> list[int]:
    """The versions that MLflow has of these runs of `model` and no alias names; `remove` deletes them, and of all
    these runs, the refused ones that have no version too, what MLflow logged and the model among it.

    MLflow keeps the files of what is deleted until its own `mlflow gc`. May be repeated.

    Raises:
        PassingFault: MLflow is away.
    """
    wanted = {f"runs/{run}" for run in runs}
    if not wanted:
        return []
    aliased = set(registry.aliases(model).values())
    with registry.client() as client:
        versions = [
            item
            for item in client.search_model_versions(f"name='{model}'", max_results=10_000)
            if item.tags.get(LEDGER_TAG) in wanted
        ]
        found = [item for item in versions if int(item.version) not in aliased]
        named = {item.run_id for item in versions} - {item.run_id for item in found}
        for item in found if remove else []:
            client.delete_model_version(model, item.version)
        for run in _runs(client, model, wanted) if remove else ():
            if run.info.run_id not in named:
                _forget(client, run)
    return sorted(int(item.version) for item in found)


def _runs(client: MlflowClient, model: str, wanted: Collection[str]) -> Iterator[Any]:
    """MLflow's runs of these tags of the ledger that are not deleted yet."""
    experiment = client.get_experiment_by_name(model)
    page = None
    while experiment is not None:
        answer = client.search_runs([experiment.experiment_id], max_results=_PAGE, page_token=page)
        yield from (run for run in answer if run.data.tags.get(LEDGER_TAG) in wanted)
        page = answer.token
        if not page:
            return


def _forget(client: MlflowClient, run: Any) -> None:
    # A model that a run has logged is an entity of its own: `mlflow gc` frees it only where it was deleted itself.
    query = f"source_run_id = '{run.info.run_id}'"
    for logged in client.search_logged_models([run.info.experiment_id], filter_string=query):
        client.delete_logged_model(logged.model_id)
    client.delete_run(run.info.run_id)

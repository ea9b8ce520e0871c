"""What MLflow shows of runs that retention has ended: removed there too, unless an alias names it."""

from __future__ import annotations

from collections.abc import Collection

from pipelines.registry import LEDGER_TAG, Registry


def removable(registry: Registry, model: str, runs: Collection[str], *, remove: bool) -> list[int]:
    """The versions that MLflow has of these runs of `model` and no alias names; `remove` deletes them and their runs.

    MLflow keeps the files of what is deleted until its own `mlflow gc`. May be repeated.

    Raises:
        PassingFault: MLflow is away.
    """
    wanted = {f"runs/{run}" for run in runs}
    if not wanted:
        return []
    aliased = set(registry.aliases(model).values())
    with registry.client() as client:
        found = [
            item
            for item in client.search_model_versions(f"name='{model}'", max_results=10_000)
            if item.tags.get(LEDGER_TAG) in wanted and int(item.version) not in aliased
        ]
        for item in found if remove else []:
            client.delete_model_version(model, item.version)
            if item.run_id:
                client.delete_run(item.run_id)
    return sorted(int(item.version) for item in found)

"""The step after the stages: tell MLflow of a finished run; one whose gates passed gets a version and a card."""

from __future__ import annotations

import json

from pipelines.card import make as card
from pipelines.card.publish import Place, publish
from pipelines.config.settings import Settings
from pipelines.errors import ExitCode, InputError
from pipelines.ledger.lockfile import Pipeline
from pipelines.ledger.workspace import Workspace
from pipelines.night.scratch import scratch_folder
from pipelines.registry import Registry
from pipelines.runs.record import entry_of
from pipelines.stages.context import Progress, StageResult

GATES = "out/evaluate/gates.json"
STAGES = ("validate", "train", "evaluate")
FONTS = "matplotlib"  # below the home, where the next card finds them


def register(settings: Settings, workspace: Workspace, say: Progress) -> StageResult:
    """One MLflow run and at most one version for the workspace's run, however often this is repeated.

    Raises:
        InputError: the run is not finished.
        PassingFault: MLflow does not answer.
    """
    model, run_id = workspace.ledger.model, workspace.run_id
    if workspace.ledger.head(f"runs/{run_id}") is None:
        raise InputError(f"run {run_id} is not finished", where="register", remedy="run its stages first")
    pipeline = Pipeline(workspace.ledger, workspace.head)
    workspace.check_out([out for stage in STAGES for out in pipeline.outs(stage)])
    entry = entry_of(workspace.root, model, run_id)
    registry = Registry.of(settings)
    say("telling MLflow")
    # Out of the ledger: what lies in the workspace may have been touched since.
    passed = json.loads(workspace.ledger.read(f"runs/{run_id}", GATES) or b"{}").get("passed")
    if not passed:
        mlflow_run = registry.log(entry)
        say("recorded in MLflow; the gates refused it, so it gets no version")
        return StageResult(ExitCode.REFUSED, {"run": run_id, "mlflow_run": mlflow_run, "refused": True})
    version = registry.register(entry)
    registry.set_alias(model, "challenger", version)
    say(f"version {version} of {model}")
    place = _card(settings, workspace, pipeline, registry, version)
    say("its card is in MLflow")
    return StageResult(summary={"run": run_id, "version": version, "card": place.to_json()})


def _card(settings: Settings, workspace: Workspace, pipeline: Pipeline, registry: Registry, version: int) -> Place:
    # A refused run needs no feature table here.
    workspace.check_out([out for stage in card.STAGES if stage not in STAGES for out in pipeline.outs(stage)])
    with scratch_folder(settings, "card") as folder:
        file = card.make(
            workspace.root,
            folder,
            version=version,
            run=workspace.run_id,
            commit=workspace.head,
            fonts=settings.home / FONTS,
        )
        return publish(registry, workspace.ledger.model, version, file)

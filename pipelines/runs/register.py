"""The step after the stages: tell MLflow of a finished run, and give the challenger a version if its gates passed."""

from __future__ import annotations

from pipelines.config.settings import Settings
from pipelines.errors import ExitCode, InputError
from pipelines.ledger.lockfile import Pipeline
from pipelines.ledger.workspace import Workspace
from pipelines.registry import Registry
from pipelines.runs.record import entry_of
from pipelines.stages.context import Progress, StageResult
from pipelines.storage.files import read_json

STAGES = ("validate", "train", "evaluate")


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
    passed = read_json(workspace.root / "out/evaluate/gates.json")["passed"]
    if not passed:
        mlflow_run = registry.log(entry)
        say("recorded in MLflow; the gates refused it, so it gets no version")
        return StageResult(ExitCode.REFUSED, {"run": run_id, "mlflow_run": mlflow_run, "refused": True})
    version = registry.register(entry)
    registry.set_alias(model, "challenger", version)
    say(f"version {version} of {model}")
    return StageResult(summary={"run": run_id, "version": version})

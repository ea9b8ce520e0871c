"""The step after the stages: tell MLflow of a finished run; one whose gates passed gets a version and a card."""

from __future__ import annotations

from pipelines.card import make as card
from pipelines.card.publish import Place, publish
from pipelines.config.settings import Settings
from pipelines.errors import ExitCode, InputError
from pipelines.ledger import challengers, reader
from pipelines.ledger.workspace import Workspace
from pipelines.night.scratch import scratch_folder
from pipelines.registry import Entry, Registry
from pipelines.runs.record import entry_of
from pipelines.stages.context import Progress, StageResult

STAGES = ("validate", "train", "evaluate")
FONTS = "matplotlib"  # below the home, where the next card finds them


def register(settings: Settings, workspace: Workspace, say: Progress) -> StageResult:
    """One MLflow run and at most one version for the workspace's run, however often this is repeated.

    Raises:
        InputError: the run is not finished.
        IntegrityError: its model does not score outside of Evergreen as it does here.
        PassingFault: MLflow does not answer.
    """
    model, run_id = workspace.ledger.model, workspace.run_id
    if workspace.ledger.head(f"runs/{run_id}") is None:
        raise InputError(f"run {run_id} is not finished", where="register", remedy="run its stages first")
    told = entry(workspace)
    registry = Registry.of(settings)
    say("telling MLflow")
    # Out of the ledger: what lies in the workspace may have been touched since.
    gates = challengers.judged(workspace.ledger)
    if not reader.gates_of(reader.record(workspace.ledger, f"runs/{run_id}", reader.GATES)).get("passed"):
        mlflow_run = registry.log(told, prove=False)
        say("recorded in MLflow; the gates refused it, so it gets no version")
        return StageResult(ExitCode.REFUSED, {"run": run_id, "mlflow_run": mlflow_run, "refused": True})
    version = registry.register(told)
    # A run of older data takes the alias from nobody.
    if challengers.newest(gates) == run_id:
        registry.set_alias(model, "challenger", version)
    say(f"version {version} of {model}")
    place = card_of(settings, workspace, registry, version)
    say("its card is in MLflow")
    return StageResult(summary={"run": run_id, "version": version, "card": place.to_json()})


def entry(workspace: Workspace) -> Entry:
    """What MLflow shall know of the finished run in `workspace`, whose outs are brought there."""
    workspace.check_out([out for stage in STAGES for out in workspace.pipeline.outs(stage)])
    return entry_of(workspace.root, workspace.ledger.model, workspace.run_id)


def card_of(settings: Settings, workspace: Workspace, registry: Registry, version: int) -> Place:
    """Make the card of `version`, which the run in `workspace` made, and publish it; raises as `publish` does."""
    workspace.check_out([out for stage in card.STAGES for out in workspace.pipeline.outs(stage)])
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

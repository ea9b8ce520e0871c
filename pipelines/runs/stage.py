"""One stage in an open workspace: kept if finished, restored if its exact inputs ran here, else run; then published."""

from __future__ import annotations

import importlib
import time
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from pipelines.config.gates import Family, Mode
from pipelines.config.names import STAGES
from pipelines.config.params import RunParams
from pipelines.errors import ConfigError, ExitCode
from pipelines.evaluation import keys
from pipelines.ledger import broken, decisions, reader, runs
from pipelines.ledger.workspace import Workspace
from pipelines.runs import apart
from pipelines.stages.context import Progress, StageContext, StageResult
from pipelines.storage.files import read_json, sha256_file, write_json

LAST = STAGES[-1]


@dataclass(frozen=True)
class Done:
    """How a stage ended. `how` is `kept`, `restored` or `ran`."""

    stage: str
    how: str
    seconds: float
    result: StageResult


def perform(workspace: Workspace, stage: str, say: Progress) -> Done:
    """Bring `stage` of the workspace's run to its published end.

    Raises:
        EvergreenError: as the stage or the publication does; nothing of it is then part of the run.
    """
    started = time.monotonic()
    how, summary = "kept", {}
    if not workspace.finished(stage):
        workspace.prepare(stage)
        _partitions(workspace, stage)
        how = "restored" if workspace.restore(stage) else "ran"
        if how == "ran":
            say("started")
            summary = _run(workspace, stage, say).summary
        say("publishing")
        workspace.publish(stage, summary)
    result = StageResult(_verdict(workspace, stage), {"stage": stage, "how": how, **summary})
    if stage == LAST:
        _close(workspace, result)
    done = Done(stage, how, round(time.monotonic() - started, 2), result)
    write_json(workspace.root / "result.json", {"exit_code": int(result.exit_code), **result.summary})
    say(f"{how} in {done.seconds} s")
    return done


def run(root: Path, stage: str, say: Progress) -> StageResult:
    """Run `stage` in the folder `root`, which holds a checked-out run with all that the stage reads."""
    if stage not in STAGES:
        raise ConfigError(f"{stage!r} is no stage", where="stage", remedy=f"choose one of: {', '.join(STAGES)}")
    module = importlib.import_module(f"pipelines.stages.{stage}")
    result: StageResult = module.main(StageContext(root, params_of(root), say))
    return result


def params_of(root: Path) -> RunParams:
    """The parameters of the run checked out at `root`."""
    path = root / "params.yaml"
    if not path.is_file():
        raise ConfigError("there is no params.yaml", where=str(root), remedy="stand in a checked-out run")
    return broken.params(reader.Record(f"{root.name}: params.yaml", path.read_bytes()))


def _run(workspace: Workspace, stage: str, say: Progress) -> StageResult:
    if apart.wanted(workspace.root, stage):
        return apart.run(workspace.root, stage, workspace.settings, workspace.ledger.model)
    return run(workspace.root, stage, say)


def _partitions(workspace: Workspace, stage: str) -> None:
    """Bring what evaluate reads of the window: all of it for a champion with other features, else the keys' events.

    Such a champion is judged on rows that are built its own way.
    """
    if stage != LAST:
        return
    params, theirs = params_of(workspace.root), workspace.root / "champion" / "features.py"
    if theirs.is_file() and sha256_file(theirs) != sha256_file(workspace.root / "model" / "features.py"):
        workspace.pull_lake()
    elif keys.compared(params) and params.gates.mode(Family.OVERLAP) is not Mode.OFF:
        listed = read_json(workspace.root / "window.json")["partitions"]
        workspace.pull_lake(item["path"] for item in listed if item["table"] == params.events)


def _verdict(workspace: Workspace, stage: str) -> ExitCode:
    if stage != LAST:
        return ExitCode.DONE
    passed = read_json(workspace.root / "out/evaluate/gates.json")["passed"]
    return ExitCode.DONE if passed else ExitCode.REFUSED


def _close(workspace: Workspace, result: StageResult) -> None:
    """Tag the finished run, and record the refusal if it was one."""
    runs.finish(workspace.ledger, workspace.run_id, workspace.fencing)
    if result.exit_code is ExitCode.REFUSED:
        gates = read_json(workspace.root / "out/evaluate/gates.json")
        decisions.record(workspace.ledger, decisions.REFUSAL, _refusal(workspace.run_id, gates), key=workspace.run_id)


def _refusal(run_id: str, gates: dict[str, Any]) -> dict[str, Any]:
    refused = [gate for gate in gates["gates"] if not gate["passed"] and gate["mode"] == "on"]
    return {
        "run": run_id,
        "by": [gate["name"] for gate in refused],
        "reason": " ".join(gate["sentence"] for gate in refused)[:1000],
        "gates": gates,
    }

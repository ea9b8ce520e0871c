"""Whether a finished run's evidence holds together, before anybody acts on it: a gate file alone proves nothing.

The tag must hold what its stages published under their hashes, answers that add up to the verdict, the gates that the
model folder declares, and bytes that are the model which was judged.
"""

from __future__ import annotations

import hashlib
from typing import Any

from pipelines.config.gates import Family, Gates, Mode
from pipelines.config.load import read_yaml
from pipelines.config.model import Model
from pipelines.config.names import STAGES
from pipelines.config.settings import Settings
from pipelines.errors import IntegrityError, shorten
from pipelines.ledger.git import Ledger
from pipelines.ledger.lockfile import Pipeline
from pipelines.night.scratch import scratch_folder
from pipelines.night.version import Named, Version

GATES = "out/evaluate/gates.json"
# The families that answer whatever a model declares; others say nothing where nothing was asked of them.
ALWAYS = (Family.SANITY, Family.CHAMPION, Family.AGREEMENT, Family.BASELINE, Family.SERVING, Family.POISONING)
_REMEDY = "retrain, and look for who wrote to the ledger"


def check(settings: Settings, ledger: Ledger, run_id: str, gates: dict[str, Any]) -> None:
    """Prove the evidence of finished run `run_id`, whose `gates.json` is `gates`.

    Raises:
        IntegrityError: some part of it is not what another part says.
        PassingFault: the ledger or the remote cannot be reached.
    """
    _hashed(ledger, run_id)
    with scratch_folder(settings, "evidence") as folder:
        named = Named(0, run_id, str(gates.get("model_sha256")), "shadow")
        version = Version.bring(settings, ledger, named, folder)
        declared = read_yaml(folder / "model.yaml").parse(Model).gates
        if version.params.gates != declared:
            raise IntegrityError("its gates are not those of its model.yaml", where="params.yaml", remedy=_REMEDY)
        _adds_up(gates, declared)
        if version.signature.model_sha256 != named.model_sha256:
            raise IntegrityError("names another model than signature.json", where=GATES, remedy=_REMEDY)
        # Loads it, too: what is no model of these columns is found here.
        _ = version.booster


def _hashed(ledger: Ledger, run_id: str) -> None:
    """Everything in Git is what the stages hashed, and the gate file is one of their outs."""
    tag = f"runs/{run_id}"
    pipeline = Pipeline(ledger, tag)
    for stage in STAGES:
        if stage not in pipeline.stages or not pipeline.finished(stage):
            raise IntegrityError(
                f"its files are not those that stage {stage} hashed into dvc.lock", where=tag, remedy=_REMEDY
            )
    out = pipeline.out_of(GATES)
    content = ledger.read(tag, GATES) or b""
    if out is None or out.md5 != hashlib.md5(content, usedforsecurity=False).hexdigest():
        raise IntegrityError("is no out of the evaluate stage", where=GATES, remedy=_REMEDY)


def _adds_up(gates: dict[str, Any], declared: Gates) -> None:
    """The verdict follows from the answers, which are those of the families that the model asks, in their modes."""
    answers = gates.get("gates") or []
    refusing = [gate["name"] for gate in answers if gate["mode"] == Mode.ON.value and not gate["passed"]]
    if bool(gates.get("passed")) is bool(refusing):
        told = f"though {shorten(', '.join(refusing))} refused" if refusing else "though nothing refused"
        raise IntegrityError(f"says passed: {gates.get('passed')}, {told}", where=GATES, remedy=_REMEDY)
    for gate in answers:
        mode = declared.mode(Family(gate["name"].partition(":")[0]))
        if gate["mode"] != mode.value:
            raise IntegrityError(
                f"{shorten(gate['name'])} is {shorten(gate['mode'])} there, {mode.value} in model.yaml",
                where=GATES,
                remedy=_REMEDY,
            )
    missing = _expected(declared) - {gate["name"] for gate in answers} - {_family(gate) for gate in answers}
    if missing:
        raise IntegrityError(
            f"no answer of {shorten(', '.join(sorted(missing)))}, which model.yaml asks for",
            where=GATES,
            remedy=_REMEDY,
        )


def _expected(declared: Gates) -> set[str]:
    """The names of gates, or of families, that must have answered."""
    wanted = {family.value for family in ALWAYS if declared.mode(family) is not Mode.OFF}
    if declared.mode(Family.FLOORS) is not Mode.OFF:
        wanted |= {f"floors:{metric}" for metric in (*declared.floors, *declared.ceilings)}
    return wanted


def _family(gate: dict[str, Any]) -> str:
    return str(gate["name"]).partition(":")[0]

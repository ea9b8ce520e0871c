"""Whether a finished run's evidence holds together, before anybody acts on it: a gate file alone proves nothing.

The tag must hold what its stages published under their hashes, answers of every gate that the model folder declares,
within its bounds, that add up to the verdict and follow from the numbers, and bytes that are the model that was judged.
"""

from __future__ import annotations

import hashlib
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any

from pipelines.config.gates import Family, Gates, Mode
from pipelines.config.load import read_yaml
from pipelines.config.model import Model
from pipelines.config.names import STAGES, Promotion
from pipelines.config.settings import Settings
from pipelines.errors import shorten
from pipelines.evaluation.segments import Part, parts_of
from pipelines.ledger import broken, reader
from pipelines.ledger.git import Ledger
from pipelines.ledger.lockfile import Pipeline
from pipelines.ledger.outs import fetch_files
from pipelines.night.scratch import scratch_folder
from pipelines.night.version import Named, Version
from pipelines.release import bounds, recount
from pipelines.release.answers import GATES, METRICS, Answer, answers_of, lie
from pipelines.release.demanded import Told, demanded

SLICES = "out/evaluate/slices.json"
_SHOWN = 3


def read(ledger: Ledger, run_id: str) -> dict[str, Any]:
    """What finished run `run_id` says of itself in Git, for `check` and for promotion.

    Raises:
        UnreadableRecord: some part of it is missing, or not what its stages write.
    """
    tag = f"runs/{run_id}"
    paths = (reader.GATES, reader.METRICS, reader.REQUEST, reader.JUDGED, "params.yaml")
    found = reader.records(ledger, ((tag, path) for path in paths))
    asked = found[tag, reader.REQUEST]
    mode = reader.Fields(reader.request_of(asked), asked.where).get("promotion", str)
    if mode not in list(Promotion):
        raise lie(f"promotion: {shorten(repr(mode))} is no mode", where=asked.where)
    return {
        "id": run_id,
        "gates": reader.gates_of(found[tag, reader.GATES]),
        "metrics": found[tag, reader.METRICS].fields(limit=reader.EVIDENCE_LIMIT).value,
        "mode": Promotion(mode),
        "params": broken.params(found[tag, "params.yaml"]),
        "compared": reader.judged_against(found[tag, reader.JUDGED]),
    }


def check(settings: Settings, ledger: Ledger, run: Mapping[str, Any]) -> None:
    """Prove the evidence of a finished `run`: its `id`; `gates`, `metrics` and champion `compared` as its tag has them.

    Raises:
        IntegrityError: some part of it is not what another part says.
        PassingFault: the ledger or the remote cannot be reached.
    """
    pipeline = _hashed(ledger, run["id"])
    answers = answers_of(run["gates"])
    with scratch_folder(settings, "evidence") as folder:
        named = Named(0, run["id"], str(run["gates"].get("model_sha256")), "shadow")
        version = Version.bring(settings, ledger, named, folder)
        declared = read_yaml(folder / "model.yaml").parse(Model).gates
        if version.params.gates != declared:
            raise lie("its gates are not those of its model.yaml", where="params.yaml")
        _adds_up(run["gates"], answers, declared)
        kinds = frozenset(item.kind for item in version.signature.features)
        rival = run["compared"] is not None
        parts = _parts(settings, pipeline, folder, declared)
        # Of slices smaller than the report's own the file says nothing.
        sliced = declared.slices.min_rows >= version.params.evaluation.min_slice_rows
        told = Told(declared, run["metrics"] or {}, kinds, rival, answers, parts, sliced)
        _complete(told)
        bounds.check(answers, declared)
        recount.check(told, version.params.task)
        if version.signature.model_sha256 != named.model_sha256:
            raise lie("names another model than signature.json")
        # Loads it, too: what is no model of these columns is found here.
        _ = version.booster


def changed(judged: Gates, declared: Gates) -> str:
    """What differs between the gates that a run was judged by and those that its model has now; empty: nothing."""
    ours, theirs = (dict(_flat(gates.model_dump(mode="json"), "")) for gates in map(_spelt_out, (judged, declared)))
    differing = sorted(key for key in ours.keys() | theirs.keys() if ours.get(key) != theirs.get(key))
    told = [f"{key} was {ours.get(key, 'not set')}, is {theirs.get(key, 'not set')}" for key in differing[:_SHOWN]]
    more = f", and {len(differing) - _SHOWN} more" if len(differing) > _SHOWN else ""
    return shorten("; ".join(told) + more, 160)


def _spelt_out(gates: Gates) -> Gates:
    """With a mode for every family: `on` is what it is unless somebody says so."""
    return gates.model_copy(update={"modes": {family: gates.mode(family) for family in Family}})


def _flat(value: Any, key: str) -> Iterator[tuple[str, Any]]:
    if not isinstance(value, dict):
        yield key, value
        return
    for name, item in value.items():
        yield from _flat(item, f"{key}.{name}" if key else name)


def _hashed(ledger: Ledger, run_id: str) -> Pipeline:
    """Everything in Git is what the stages hashed, and what the gates said and measured are outs of theirs."""
    tag = f"runs/{run_id}"
    pipeline = Pipeline(ledger, tag)
    for stage in STAGES:
        if stage not in pipeline.stages or not pipeline.finished(stage):
            raise lie(f"its files are not those that stage {stage} hashed into dvc.lock", where=tag)
    for path in (GATES, METRICS):
        _is_out(pipeline, path, pipeline.read(path) or b"")
    return pipeline


def _is_out(pipeline: Pipeline, path: str, content: bytes) -> None:
    out = pipeline.out_of(path)
    if out is None or out.md5 != hashlib.md5(content, usedforsecurity=False).hexdigest():
        raise lie("is no out of the evaluate stage", where=path)


def _parts(settings: Settings, pipeline: Pipeline, folder: Path, gates: Gates) -> tuple[Part, ...]:
    """The slices that the evaluation measured and the gate asks about."""
    if gates.mode(Family.SLICES) is Mode.OFF:
        return ()
    file = folder / "slices.json"
    fetch_files(settings, pipeline.ledger, pipeline.commit, {SLICES: file})
    content = file.read_bytes()
    # A file of this name in Git would be taken before the stage's own.
    _is_out(pipeline, SLICES, content)
    found = reader.Record(f"runs: {SLICES}", content).fields(limit=reader.EVIDENCE_LIMIT)
    try:
        return parts_of(found.value["columns"], found.value["models"], gates.slices.min_rows)
    except (AttributeError, IndexError, KeyError, OverflowError, TypeError, ValueError) as error:
        raise lie(f"is not what an evaluation writes: {shorten(repr(error))}", where=SLICES) from None


def _adds_up(gates: Mapping[str, Any], answers: Sequence[Answer], declared: Gates) -> None:
    """The verdict follows from the answers, which are in the modes that the model declares."""
    refusing = [answer.name for answer in answers if answer.mode is Mode.ON and not answer.passed]
    if gates.get("passed") is not (not refusing):
        told = f"though {shorten(', '.join(refusing))} refused" if refusing else "though nothing refused"
        raise lie(f"says passed: {gates.get('passed')}, {told}")
    for answer in answers:
        mode = declared.mode(answer.family)
        if answer.mode is not mode:
            raise lie(f"{shorten(answer.name)} is {answer.mode.value} there, {mode.value} in model.yaml")


def _complete(told: Told) -> None:
    missing = demanded(told) - {answer.name for answer in told.answers}
    if missing:
        raise lie(f"no answer of {shorten(', '.join(sorted(missing)))}, which model.yaml asks for")

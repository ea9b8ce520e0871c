"""Where a version comes from, read out of the ledger: raw partitions, checks, features, training, gates, and its use.

MLflow is asked for what it alone knows: the run of a version that was never champion, and the aliases of today.
"""

from __future__ import annotations

import hashlib
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from pipelines.audit.history import Reign, history
from pipelines.config.settings import Settings
from pipelines.errors import InputError, PassingFault, shorten
from pipelines.ledger import nights, reader
from pipelines.ledger.git import Ledger
from pipelines.ledger.lockfile import Pipeline
from pipelines.ledger.outs import fetch_files
from pipelines.night.scratch import scratch_folder
from pipelines.registry import Registry
from pipelines.storage import bounded
from pipelines.storage.files import read_json

_COMMITTED = ("window.json", "code.json", "run.json", "out/evaluate/gates.json", "out/evaluate/metrics.json")
_OUTS = {
    "snapshot": "out/snapshot/snapshot.json",
    "validation": "out/validate/validation.json",
    "schema": "out/features/schema.json",
    "signature": "out/train/signature.json",
    "training": "out/train/training.json",
}


def explain(settings: Settings, model: str, version: int) -> dict[str, Any]:
    """The lineage of `version`, as JSON. `broken` says in sentences which links of it do not fit together.

    Of a champion whose run retention has ended, what its record on the branch `champion` holds: `ended` is true then.

    Raises:
        InputError: there is no such version, or its run is gone from the ledger and it never was champion.
        IntegrityError: a file of its run is not what the ledger says.
        PassingFault: ledger or remote cannot be reached, or MLflow, where it alone knows the version.
    """
    ledger = Ledger.open(settings, model)
    reigns = [reign for reign in history(ledger) if reign.champion.version == version]
    tag, aliases, note = _named(settings, ledger, version, reigns)
    found = {
        "model": model,
        "version": version,
        "run": tag.removeprefix("runs/"),
        "commit": ledger.head(tag),
        "ended": ledger.head(tag) is None,
        "reigns": [reign.to_json() for reign in reigns],
        "aliases": aliases,
        "note": note,
        "nights": nights_of(ledger, version),
    }
    if found["ended"]:
        return found | _remembered(model, version, tag, reigns)
    facts = _facts(settings, ledger, tag)
    try:
        found |= _lineage(ledger, tag, facts)
        return found | {"broken": _broken(found, facts, reigns)}
    except (AttributeError, IndexError, KeyError, TypeError) as error:
        what = f"is not what its stages write: {shorten(f'{type(error).__name__} {error}')}"
        raise bounded.unreadable(what, f"{model} {tag}") from None


def _remembered(model: str, version: int, tag: str, reigns: list[Reign]) -> dict[str, Any]:
    """What the champion's own record says of a version whose run is gone; raises InputError where it has none."""
    if not reigns:
        raise InputError(
            f"version {version} was made by {tag}, which is no longer in the ledger",
            where=model,
            remedy="retention may have removed it; restore its tag from a backup",
        )
    first = reigns[0]
    # A reign of before records had an origin may be followed by one that has it.
    origin = next((reign.champion.origin for reign in reigns if reign.champion.origin), None)
    window = first.to_json()["window"] | ({"sha256": origin.window_sha256} if origin else {})
    shas = {reign.champion.model_sha256 for reign in reigns}
    told = [f"its records name {len(shas)} models: {', '.join(sorted(sha[:16] for sha in shas))}"]
    return {
        "window": window,
        "origin": origin.model_dump() if origin else None,
        "evaluation": {"metrics": first.champion.metrics},
        "gates": first.gates,
        "model_sha256": first.champion.model_sha256,
        "broken": told if len(shas) > 1 else [],
    }


def nights_of(ledger: Ledger, version: int) -> list[dict[str, Any]]:
    """The days that `version` scored, in order, as of the last fetch: role, rows, when, the file and its sha256."""
    head = ledger.head(nights.BRANCH)
    paths = ledger.tree(head, "scores") if head else []
    days = nights.read(ledger, "scores", [Path(path).stem for path in paths])
    return [
        {"day": day.isoformat(), **{name: entry[name] for name in ("role", "rows", "at", "file", "sha256")}}
        for day, value in days.items()
        if (entry := value.get(str(version)))
    ]


def _named(settings: Settings, ledger: Ledger, version: int, reigns: list[Reign]) -> tuple[str, list[str] | None, str]:
    """The tag of the version's run, its aliases (None: MLflow is away), and what is to be said of that."""
    registry = Registry.of(settings)
    try:
        known = registry.aliases(ledger.model)
        tag = registry.tag_of(ledger.model, version)
    except PassingFault as error:
        if not reigns:
            raise
        return reigns[0].champion.tag, None, f"aliases unknown: {error.what}"
    aliases = sorted(alias for alias, number in known.items() if number == version)
    # The ledger decides; the registry may have lost a version that once was champion.
    tag = reigns[0].champion.tag if reigns else tag
    if tag is None:
        raise InputError(
            f"there is no version {version}",
            where=ledger.model,
            remedy="copy its number from MLflow or `evergreen status`",
        )
    return tag, aliases, ""


def _facts(settings: Settings, ledger: Ledger, tag: str) -> dict[str, Any]:
    """What the run's commit and its stages' outs say, by name."""
    committed = reader.records(ledger, ((tag, path) for path in (*_COMMITTED, "params.yaml", "model/features.py")))
    facts: dict[str, Any] = {Path(path).stem: committed[tag, path].fields().value for path in _COMMITTED}
    facts["params"] = committed[tag, "params.yaml"].fields().value
    facts["window_sha256"] = _sha256(committed[tag, "window.json"].content)
    facts["features_py"] = _sha256(committed[tag, "model/features.py"].content)
    with scratch_folder(settings, "explain") as scratch:
        fetch_files(settings, ledger, tag, {path: scratch / f"{name}.json" for name, path in _OUTS.items()})
        return facts | {name: read_json(scratch / f"{name}.json") for name in _OUTS}


def _lineage(ledger: Ledger, tag: str, facts: Mapping[str, Any]) -> dict[str, Any]:
    window, code, params = facts["window"], facts["code"], facts["params"]
    training, signature, gates = facts["training"], facts["signature"], facts["gates"]
    request = facts["run"].get("request", {})
    pipeline = Pipeline(ledger, ledger.head(tag) or tag)
    outs = {name: {out.path: out.md5 for out in pipeline.outs(name)} for name in pipeline.stages}
    return {
        "request": {name: request.get(name) for name in ("data_commit", "caller", "note", "promotion", "key")},
        "window": {name: window[name] for name in ("as_of", "first", "last")} | {"sha256": facts["window_sha256"]},
        "partitions": window["partitions"],
        "quarantined": window["quarantined"],
        "missing": window["missing"],
        "snapshot": {name: facts["snapshot"][name] for name in ("rows", "digest")},
        "validation": {
            "failed": [check for check in facts["validation"]["checks"] if not check["passed"]],
            "checks": len(facts["validation"]["checks"]),
        },
        "features": {
            "sha256": facts["schema"]["sha256"],
            "rows": facts["schema"]["rows"],
            "digest": facts["schema"]["digest"],
            "names": [item["name"] for item in facts["schema"]["features"]],
        },
        "code": {name: code.get(name) for name in ("git_sha", "image_digest", "lock_sha256", "stages")},
        "training": {
            "params": training["training"],
            "seed": params["training"]["seed"],
            "rounds": training["rounds"],
            "trial": training["trial"],
            "release": training["release"],
            "xgboost": signature["xgboost"],
        },
        "evaluation": {"metrics": facts["metrics"].get("challenger"), "test": facts["metrics"].get("test")},
        "gates": gates["gates"],
        "passed": gates["passed"],
        "model_sha256": gates["model_sha256"],
        "outs": outs,
    }


def _broken(found: Mapping[str, Any], facts: Mapping[str, Any], reigns: list[Reign]) -> list[str]:
    """The links of the chain that do not fit together, each in a sentence."""
    sha, signature = found["model_sha256"], facts["signature"]
    pairs = [
        ("the model that was judged", sha, "the one that was trained", signature["model_sha256"]),
        ("the features of the model", signature["features_sha256"], "model/features.py", facts["features_py"]),
        ("the feature table", facts["schema"]["sha256"], "model/features.py", facts["features_py"]),
        ("the snapshot", facts["snapshot"]["digest"], "the window's partitions", _digest(found["partitions"])),
        *(("the champion on record", reign.champion.model_sha256, "the judged model", sha) for reign in reigns),
        *(pair for reign in reigns for pair in _of_record(reign, found)),
    ]
    return [
        f"{one} ({shorten(str(a), 16)}) is not {other} ({shorten(str(b), 16)})" for one, a, other, b in pairs if a != b
    ]


def _of_record(reign: Reign, found: Mapping[str, Any]) -> list[tuple[str, str, str, str]]:
    """What a champion's record says it was made of, against what its run says; records of before say nothing."""
    origin = reign.champion.origin
    if origin is None:
        return []
    return [
        ("the window on record", origin.window_sha256, "window.json", found["window"]["sha256"]),
        ("the features on record", origin.features_sha256, "model/features.py", found["features"]["sha256"]),
    ]


def _digest(partitions: list[Mapping[str, Any]]) -> str:
    return hashlib.sha256("\n".join(item["sha256"] for item in partitions).encode()).hexdigest()


def _sha256(content: bytes | None) -> str:
    return hashlib.sha256(content or b"").hexdigest()

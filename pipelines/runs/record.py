"""What MLflow is told of a finished run, gathered from its workspace."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

from pipelines.config import plain_yaml
from pipelines.registry import Entry, Publication
from pipelines.storage.model_file import Signature

REPORTS = ("out/evaluate/report.html", "out/validate/report.html")
COST = "out/evaluate/cost.json"
DATA = ("out/evaluate/gates.json", "out/evaluate/metrics.json", "out/evaluate/slices.json", "out/train/signature.json")


def entry_of(root: Path, model: str, run_id: str) -> Entry:
    """The registry's entry for the run checked out at `root`, whose outs are all there."""
    lock = (root / "dvc.lock").read_bytes()
    code = _json(root / "code.json")
    run = _json(root / "run.json")
    params = plain_yaml.load((root / "params.yaml").read_text())
    signature = Signature.read(root / "out/train/signature.json")
    tags = {
        "data.commit": run["request"]["data_commit"],
        "dvc.lock.sha256": hashlib.sha256(lock).hexdigest(),
        "model.sha256": signature.model_sha256,
        "git.sha": code["git_sha"],
        "image.digest": code["image_digest"] or "none: ran as a process",
        "airflow.run_id": run["request"]["caller"] or "none: ran from the command line",
        "mlflow.note.content": run["request"]["note"],
    }
    return Entry(
        model=model,
        tag=f"runs/{run_id}",
        params=dict(flat(params)),
        metrics=dict(_metrics(root)),
        tags=tags,
        dataset={"digest": _features_digest(lock), "tag": f"runs/{run_id}", "path": "out/features"},
        publication=Publication(
            file=root / "out/train/release.json",
            signature=signature,
            thresholds=thresholds_of(params),
            asked=((_json(root / "out/evaluate/metrics.json").get("serving") or {}).get("published") or ""),
        ),
        artifacts={
            "reports": tuple(root / path for path in REPORTS[:1]),
            "validation": tuple(root / path for path in REPORTS[1:]),
            "evaluation": tuple(root / path for path in DATA),
            "plots": tuple(sorted((root / "out/evaluate/plots").iterdir())),
        },
    )


def thresholds_of(params: Mapping[str, Any]) -> dict[str, float]:
    """The thresholds of the score that a run's parameters declare, by the names of their rules."""
    business = (params.get("evaluation") or {}).get("business") or {}
    return {name: float(rule["threshold"]) for name, rule in sorted(business.items())}


def _metrics(root: Path) -> Iterator[tuple[str, float]]:
    """What the evaluation found, and what training and serving took; runs of earlier days have no `cost.json`."""
    yield from ((name, value) for name, value in flat(_json(root / "out/evaluate/metrics.json")) if _number(value))
    if (root / COST).is_file():
        yield from ((name, value) for name, value in flat(_json(root / COST), "cost.") if _number(value))


def flat(value: Mapping[str, Any], prefix: str = "") -> Iterator[tuple[str, Any]]:
    """The leaves of a nested mapping as (`a.b.c`, value); lists are leaves."""
    for key, item in value.items():
        if isinstance(item, Mapping) and item:
            yield from flat(item, f"{prefix}{key}.")
        else:
            yield f"{prefix}{key}", item


def _number(value: object) -> bool:
    return isinstance(value, int | float) and not isinstance(value, bool)


def _features_digest(lock: bytes) -> str:
    outs = plain_yaml.load(lock)["stages"]["features"]["outs"]
    return str(outs[0]["md5"]).removesuffix(".dir")


def _json(path: Path) -> dict[str, Any]:
    value: dict[str, Any] = json.loads(path.read_bytes())
    return value

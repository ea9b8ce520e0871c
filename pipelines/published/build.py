"""Lays out what is published of a model: its code, its trees and how to read a row, and what MLflow says of them."""

from __future__ import annotations

import shutil
from collections.abc import Mapping
from dataclasses import dataclass
from importlib.metadata import PackageNotFoundError, version
from pathlib import Path
from typing import Any

from pipelines.storage.files import json_bytes, sha256_bytes, sha256_file
from pipelines.storage.model_file import Feature, Signature

CODE, TREES, SCORING, SPEC = "model.py", "model.json", "scoring.json", "spec.json"
# Read as a file, never imported: it imports MLflow and XGBoost as it stands. The name of its module is how the evaluate
# stage's hash, and with it `reproduce`, knows that it depends on it.
SOURCE = Path(__file__).with_name(CODE)
MODULE = "pipelines.published.model"
NEEDS = ("mlflow", "numpy", "pandas", "xgboost")


@dataclass(frozen=True)
class Published:
    """The folder that holds it; `files` is every file's sha256, `sha256` that of all of them."""

    folder: Path
    files: Mapping[str, str]

    @property
    def sha256(self) -> str:
        """One for code, trees and scoring together."""
        return digest(self.files)

    @property
    def size(self) -> int:
        """Bytes of these files."""
        return sum((self.folder / name).stat().st_size for name in self.files)


def build(folder: Path, model: Path, signature: Signature, thresholds: Mapping[str, float]) -> Published:
    """Put into `folder` what `published.ask` and the registry hand to MLflow: the same bytes for the same model."""
    shutil.copyfile(SOURCE, folder / CODE)
    shutil.copyfile(model, folder / TREES)
    (folder / SCORING).write_bytes(json_bytes(scoring(signature, thresholds)))
    (folder / SPEC).write_bytes(json_bytes(spec(signature, thresholds)))
    return Published(folder, {name: sha256_file(folder / name) for name in (CODE, TREES, SCORING)})


def digest(files: Mapping[str, str]) -> str:
    """One sha256 for the sha256s of `files`."""
    return sha256_bytes("".join(f"{name} {sha256}\n" for name, sha256 in sorted(files.items())).encode())


def scoring(signature: Signature, thresholds: Mapping[str, float]) -> dict[str, Any]:
    """`scoring.json`: all that the code needs to know beside the trees."""
    example = signature.example
    return {
        "format": 1,
        "task": signature.task,
        "classes": signature.classes,
        "inputs": [
            {"name": item.name, "type": _type(item), "missing": bool(item.missing)} for item in signature.features
        ],
        "vocabularies": signature.vocabularies,
        "null_number": signature.null_number,
        "thresholds": dict(thresholds),
        "model_sha256": signature.model_sha256,
        "example": example.model_dump(mode="json") if example else {"rows": [], "scores": []},
    }


def spec(signature: Signature, thresholds: Mapping[str, float]) -> dict[str, Any]:
    """`spec.json`: MLflow's types of inputs and outputs, and the packages that the code imports."""
    if signature.classes:
        outputs = [{"type": "float", "name": f"score_{name}", "required": True} for name in signature.classes]
    else:
        rules = [{"type": "boolean", "name": f"positive_{name}", "required": True} for name in thresholds]
        outputs = [{"type": "float", "name": "score", "required": True}, *rules]
    inputs = [
        {"type": mlflow_type(item), "name": item.name, "required": not item.missing} for item in signature.features
    ]
    return {"inputs": inputs, "outputs": outputs, "requirements": [f"{name}=={_version(name)}" for name in NEEDS]}


def mlflow_type(item: Feature) -> str:
    """MLflow's name of what `item` holds.

    Neither its `long` nor its `boolean` can be missing: MLflow's server makes False of a null, silently, so that
    booleans are doubles to it, and so are integers that were ever missing.
    """
    if item.kind == "category":
        return "string"
    return "long" if item.type == "integer" and item.missing is False else "double"


def _type(item: Feature) -> str:
    return "text" if item.kind == "category" else item.type or "float"


def _version(package: str) -> str:
    try:
        return version(package)
    except PackageNotFoundError:
        return version(f"{package}-cpu")  # XGBoost's wheel without CUDA goes by this name

"""What a model costs and what it is worth: seconds of training and serving, and its owner's own sum."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Any

from pipelines.config import arithmetic
from pipelines.config.business import COUNTS, Business
from pipelines.evaluation.metrics import rounded
from pipelines.evaluation.serving import Serving
from pipelines.storage import files

if TYPE_CHECKING:
    from numpy.typing import NDArray

    Array = NDArray[Any]

TRAINING = Path("out/cost/train.json")
FILE = Path("out/evaluate/cost.json")


def business(rules: Mapping[str, Business], label: Array, scores: Mapping[str, Array]) -> dict[str, Any]:
    """For every rule what it comes to for each model in `scores`, on the same n rows of a binary model.

    A row counts as called positive where its score reaches the rule's threshold. None: the expression divides by
    nothing there, or a score is no number.
    """
    return {
        name: {"expression": rule.expression, "threshold": rule.threshold, "rows": len(label)}
        | {model: _worth(rule, label, score) for model, score in scores.items()}
        for name, rule in sorted(rules.items())
    }


def confusion(label: Array, score: Array, threshold: float) -> dict[str, float]:
    """The true and false positives and negatives of n rows, positive where the score is `threshold` or more."""
    import numpy as np

    called, true = score >= np.float32(threshold), label > 0
    counted = {"tp": called & true, "fp": called & ~true, "tn": ~called & ~true, "fn": ~called & true}
    return {name: float(np.count_nonzero(mask)) for name, mask in counted.items()} | {"n": float(len(label))}


def read(root: Path) -> dict[str, Any]:
    """The `cost.json` that stands below `root`; empty where there is none."""
    return files.read_json(root / FILE) if (root / FILE).is_file() else {}


def document(root: Path, model_sha256: str, serving: Serving | None, before: Mapping[str, Any]) -> dict[str, Any]:
    """The contents of `cost.json`: what depends on the machine and on the day, which no other out may hold.

    `before`, which stood there, stays where it is of the same model and training: a model evaluated again, on a
    checked-out run say, has cost what it has cost, and nothing in Git changes. `training` is None where the train stage
    was restored from an earlier run of the same recipe without its clock.
    """
    training = files.read_json(root / TRAINING) if (root / TRAINING).is_file() else None
    if before.get("serving") and (before.get("model_sha256"), before.get("training")) == (model_sha256, training):
        return dict(before)
    clock = serving.clock if serving is not None and not serving.failed else None
    return {"model_sha256": model_sha256, "training": training, "serving": clock}


def _worth(rule: Business, label: Array, score: Array) -> float | None:
    import numpy as np

    if not np.isfinite(score).all():
        return None
    found = arithmetic.value(arithmetic.parse(rule.expression, COUNTS), confusion(label, score, rule.threshold))
    return None if found is None else rounded(found)

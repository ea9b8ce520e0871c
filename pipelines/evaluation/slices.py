"""The metrics of parts of the test rows, so that a gain on average cannot hide a loss where it hurts."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING, Any

from pipelines.config.model import Task
from pipelines.errors import ConfigError, shorten
from pipelines.evaluation.metrics import compute
from pipelines.evaluation.scoring import Codes, Scored

if TYPE_CHECKING:
    from numpy.typing import NDArray

# A column of very many values is no slice: what lies beyond is left out, largest slices first, and said so.
MAX_VALUES = 50


def check(slices: Sequence[str], columns: Sequence[str]) -> None:
    """Raises ConfigError if a column to slice by is not in the feature table."""
    for name in slices:
        if name not in columns:
            raise ConfigError(
                f"{shorten(repr(name))} is no column of the feature table",
                where="evaluation.slices",
                remedy=f"use some of: {shorten(', '.join(columns), 120)}",
            )


def by_slice(task: Task, scored: Scored, models: Sequence[str], min_rows: int) -> list[dict[str, Any]]:
    """Per column of `scored.slices`: its values in order of rows, each with its rows and every model's metrics.

    Values of fewer than `min_rows` rows are counted, not measured; at most 50 values are.
    """
    return [_column(task, scored, models, name, codes, min_rows) for name, codes in sorted(scored.slices.items())]


def _column(
    task: Task, scored: Scored, models: Sequence[str], name: str, codes: Codes, min_rows: int
) -> dict[str, Any]:
    import numpy as np

    order = np.argsort(codes.codes, kind="stable")
    counts = np.bincount(codes.codes, minlength=len(codes.values))
    ends = np.cumsum(counts)
    ranked = sorted(range(len(counts)), key=lambda code: (-counts[code], codes.values[code]))
    large = [code for code in ranked if counts[code] >= min_rows][:MAX_VALUES]
    parts = {code: order[ends[code] - counts[code] : ends[code]] for code in large}
    left_out = [code for code in ranked if counts[code] and code not in parts]
    return {
        "column": name,
        "min_rows": min_rows,
        "values": [
            {"value": codes.values[code], "rows": int(counts[code])} | _metrics(task, scored, models, parts[code])
            for code in large
        ],
        "left_out": {"values": len(left_out), "rows": int(sum(counts[code] for code in left_out))},
    }


def _metrics(task: Task, scored: Scored, models: Sequence[str], part: NDArray[Any]) -> dict[str, Any]:
    return {model: compute(task, scored.label[part], scored.scores[model][part]) for model in models}

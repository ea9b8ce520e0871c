"""Scores of rows by models of their own days: what those days' labels have to do with their rows, whatever it is.

A storm that nobody foresaw is learnt within the day from the other rows of it. Flipped labels are learnt by nobody.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from pipelines.config.model import Task
from pipelines.storage import trees

if TYPE_CHECKING:
    from numpy.typing import NDArray

    Array = NDArray[Any]

FOLDS = 3
ROUNDS = 30
OBJECTIVES = {
    Task.BINARY: "binary:logistic",
    Task.MULTICLASS: "multi:softprob",
    Task.REGRESSION: "reg:squarederror",
}
SETTINGS = {"max_depth": 3, "learning_rate": 0.15, "min_child_weight": 5, "max_bin": 32, "colsample_bynode": 0.5}


def scores(task: Task, day: Array, label: Array, score: Array, block: Array, seed: int) -> Array:
    """Scores as `score` (n,) or (n, k), each by small trees of two thirds of its day's other rows.

    They read the features `block` (n, features) and `score` itself.
    """
    import numpy as np

    found = np.zeros(np.shape(score), np.float32)
    values = np.column_stack([block, score])
    settings = SETTINGS | {"objective": OBJECTIVES[task], "seed": seed, "nthread": 1}
    if task is Task.MULTICLASS:
        settings |= {"num_class": np.shape(score)[1]}
    for one in np.unique(day):
        here = np.flatnonzero(day == one)
        fold = np.arange(len(here)) % FOLDS
        for number in range(FOLDS):
            rest, own = here[fold != number], here[fold == number]
            if len(rest) and len(own):
                found[own] = _fitted(settings, values[rest], label[rest], values[own])
    return found


def _fitted(settings: dict[str, Any], values: Array, label: Array, own: Array) -> Array:
    xgb = trees.xgboost()
    data = xgb.QuantileDMatrix(values, label, max_bin=SETTINGS["max_bin"], nthread=1)
    said: Array = xgb.train(settings, data, ROUNDS).inplace_predict(own)
    return said

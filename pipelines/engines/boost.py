"""Fitting a booster: fixed seed and threads, early stopping on a later slice of time, a curve of both losses."""

from __future__ import annotations

import time
from collections.abc import Mapping
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from pipelines.config.model import Task, Training
from pipelines.engines.columns import Columns
from pipelines.engines.matrix import SAY_SECONDS, Progress
from pipelines.errors import ConfigError, DataError, shorten
from pipelines.storage import trees

if TYPE_CHECKING:
    from xgboost import Booster, QuantileDMatrix
    from xgboost.callback import TrainingCallback

_OBJECTIVES = {
    Task.BINARY: ("binary:logistic", "logloss"),
    Task.MULTICLASS: ("multi:softprob", "mlogloss"),
    Task.REGRESSION: ("reg:squarederror", "rmse"),
}


@dataclass(frozen=True)
class Curve:
    """A loss by round, on the rows trained on and on those of the validation slice (empty without one)."""

    metric: str
    training: tuple[float, ...]
    validation: tuple[float, ...]

    def document(self) -> dict[str, Any]:
        """The curve as JSON."""
        return {"metric": self.metric, "training": list(self.training), "validation": list(self.validation)}


@dataclass(frozen=True)
class Fitted:
    """A booster cut at its best round, how many rounds that is, and the curve up to where the fitting stopped."""

    booster: Booster
    rounds: int
    curve: Curve

    @property
    def loss(self) -> float:
        """The validation slice's loss at the best round."""
        return min(self.curve.validation)


def parameters(training: Training, task: Task, columns: Columns, classes: int = 0) -> dict[str, Any]:
    """What XGBoost is told, beside the number of rounds.

    Raises:
        ConfigError: a monotone constraint names no numeric feature.
    """
    objective, metric = _OBJECTIVES[task]
    params: dict[str, Any] = training.booster.model_dump()
    # Bins belong to the matrix, and lossguide is the growth that a cap on leaves means.
    params.pop("max_bin")
    if training.booster.max_leaves:
        params["grow_policy"] = "lossguide"
    params |= {
        "objective": objective,
        "eval_metric": metric,
        "tree_method": "hist",
        "device": training.device,
        "seed": training.seed,
        "nthread": training.threads,
        "validate_parameters": True,
        "verbosity": 1,
    }
    if task is Task.MULTICLASS:
        params["num_class"] = classes
    constraints = _constraints(training, columns)
    return params | ({"monotone_constraints": constraints} if constraints else {})


def fit(
    train: QuantileDMatrix,
    validation: QuantileDMatrix | None,
    params: Mapping[str, Any],
    *,
    rounds: int,
    patience: int = 0,
    progress: Progress,
) -> Fitted:
    """Fit at most `rounds` rounds; with a `validation` slice stop `patience` rounds after its best and cut there.

    Raises:
        DataError: XGBoost refuses the data.
    """
    xgboost = trees.xgboost()
    evals = [(train, "training")] + ([(validation, "validation")] if validation is not None else [])
    history: dict[str, dict[str, list[float]]] = {}
    callbacks = [_pulse(rounds, progress)]
    if validation is not None and patience:
        callbacks.append(xgboost.callback.EarlyStopping(rounds=patience, data_name="validation", save_best=False))
    try:
        booster = xgboost.train(
            dict(params), train, rounds, evals=evals, evals_result=history, verbose_eval=False, callbacks=callbacks
        )
    except xgboost.core.XGBoostError as error:
        reason = shorten(" ".join(str(error).split("Stack trace")[0].split()), 160)
        raise DataError(f"XGBoost refuses the data: {reason}", where="train", remedy="mend the features") from None
    metric = str(params["eval_metric"])
    curve = Curve(metric, *(tuple(history.get(name, {}).get(metric, ())) for name in ("training", "validation")))
    best = curve.validation.index(min(curve.validation)) + 1 if curve.validation else len(curve.training)
    return Fitted(_cut(booster, best), best, curve)


def _cut(booster: Booster, rounds: int) -> Booster:
    # What early stopping notes in the booster is left out: the bytes of a model depend on its trees alone.
    cut = booster[:rounds] if rounds < booster.num_boosted_rounds() else booster
    cut.set_attr(best_iteration=None, best_score=None)
    return cut


def _constraints(training: Training, columns: Columns) -> str:
    numbers = {item.name for item in columns.features if item.kind == "number"}
    strange = [name for name in training.monotone if name not in numbers]
    if strange:
        raise ConfigError(
            f"training.monotone names {shorten(', '.join(strange))}, which is no numeric feature",
            where="model.yaml",
            remedy=f"choose among: {shorten(', '.join(sorted(numbers)), 100)}",
        )
    if not any(training.monotone.values()):
        return ""
    return f"({','.join(str(training.monotone.get(name, 0)) for name in columns.names)})"


def _pulse(rounds: int, progress: Progress) -> TrainingCallback:
    base: Any = trees.xgboost().callback.TrainingCallback

    class Pulse(base):  # type: ignore[misc]  # it may be imported in a function only
        said = time.monotonic()

        def after_iteration(self, model: Any, epoch: int, evals_log: dict[str, dict[str, list[float]]]) -> bool:  # noqa: ARG002
            name, losses = list(evals_log.items())[-1]
            metric, values = next(iter(losses.items()))
            if time.monotonic() - self.said >= SAY_SECONDS:
                self.said = time.monotonic()
                progress(f"round {epoch + 1} of {rounds}: {name} {metric} {values[-1]:.5f}")
            return False

    return Pulse()

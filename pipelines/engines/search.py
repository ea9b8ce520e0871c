"""The search for parameters: Optuna over walk-forward folds, each judged on days after those it was fitted on."""

from __future__ import annotations

import time
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, replace
from datetime import timedelta
from functools import partial
from statistics import fmean
from typing import TYPE_CHECKING, Any

from pipelines.config.model import Booster, Task, Training
from pipelines.config.params import Span
from pipelines.engines import boost
from pipelines.engines.columns import Columns
from pipelines.engines.matrix import Progress
from pipelines.engines.rows import Rows
from pipelines.errors import DataError

if TYPE_CHECKING:
    import optuna
    from xgboost import QuantileDMatrix

# All folds' matrices are held at once, at about two bytes an entry: beyond this many entries the folds are sampled.
MAX_ENTRIES = 300_000_000
Judge = Callable[[Training, int], tuple[float, int]]


@dataclass(frozen=True)
class Fold:
    """Rows to fit on and later rows to judge on, the gap between them left out."""

    train: Rows
    validation: Rows


@dataclass(frozen=True)
class Found:
    """The training parameters with the best booster settings in place, and the log of the search, as JSON."""

    training: Training
    log: dict[str, Any]


def folds(rows: Rows, span: Span, count: int) -> list[Fold]:
    """`count` folds walking forward to the end of `rows`; a fold's validation days end where the next one's begin.

    Raises:
        DataError: too few days for so many folds.
    """
    gap = (span.test_start - span.train_end).days - 1
    days = (rows.last - rows.first).days + 1
    block = min((span.train_end - span.validation_start).days + 1, (days - gap) // (count + 1))
    if block < 1:
        raise DataError(
            f"{days} training days are too few for {count} folds with a gap of {gap}",
            where="training.hpo.folds",
            remedy="train on more days or use fewer folds",
        )
    starts = [rows.last - timedelta(days=place * block - 1) for place in range(count, 0, -1)]
    return [
        Fold(
            replace(rows, last=start - timedelta(days=gap + 1)),
            replace(rows, first=start, last=start + timedelta(days=block - 1)),
        )
        for start in starts
    ]


def sampling(rows: int, features: int, count: int) -> int:
    """One row in how many the folds keep, so that `count` of them fit in memory together."""
    return 1 + rows * features * count // MAX_ENTRIES


def search(training: Training, count: int, on_fold: Judge, progress: Progress) -> Found:
    """The best of `training.hpo.trials` settings around the declared ones, which are tried first.

    `on_fold` gives the loss and the best round of a setting on one of the `count` folds. A setting whose mean loss
    after a fold is above the median of the finished ones' is given up. The same seed gives the same search, unless
    `timeout_seconds` ends it.
    """
    import optuna

    optuna.logging.set_verbosity(optuna.logging.WARNING)
    study = optuna.create_study(
        direction="minimize",
        sampler=optuna.samplers.TPESampler(seed=training.seed),
        pruner=optuna.pruners.MedianPruner(n_startup_trials=min(5, 1 + training.hpo.trials // 4)),
    )
    space = _space(training.booster)
    study.enqueue_trial({name: getattr(training.booster, name) for name in space})
    end = time.monotonic() + training.hpo.timeout_seconds
    log: list[dict[str, Any]] = []
    for number in range(training.hpo.trials):
        if log and time.monotonic() > end:
            break
        trial = study.ask(space)
        setting = _with(training, trial.params)
        entry = _try(study, trial, partial(on_fold, setting), count, end if log else None)
        log.append({"number": number, "params": trial.params} | entry)
        progress(f"search: trial {number + 1} of {training.hpo.trials}, best loss so far {study.best_value:.5f}")
    best = study.best_trial
    found = {"folds": count, "best": best.number, "value": best.value, "trials": log}
    return Found(_with(training, best.params), found)


def judge(
    pairs: Sequence[tuple[QuantileDMatrix, QuantileDMatrix]], task: Task, columns: Columns, classes: int, say: Progress
) -> Judge:
    """A `Judge` over binned folds, each a matrix to fit on and one to stop early and be judged on."""

    def on_fold(training: Training, fold: int) -> tuple[float, int]:
        params = boost.parameters(training, task, columns, classes)
        patience = training.early_stopping_rounds
        fitted = boost.fit(*pairs[fold], params, rounds=training.rounds, patience=patience, progress=say)
        return fitted.loss, fitted.rounds

    return on_fold


def _try(
    study: optuna.Study, trial: optuna.Trial, on_fold: Callable[[int], tuple[float, int]], count: int, end: float | None
) -> dict[str, Any]:
    """One trial, fold by fold, and its entry for the log; `end` is when time is up, if it may be given up for that."""
    import optuna

    losses: list[float] = []
    rounds: list[int] = []
    state = "complete"
    for fold in range(count):
        loss, best = on_fold(fold)
        losses.append(loss)
        rounds.append(best)
        trial.report(fmean(losses), fold)
        if fold + 1 == count:
            break
        if trial.should_prune():
            state = "pruned"
            break
        if end is not None and time.monotonic() > end:
            state = "timeout"
            break
    if state == "complete":
        study.tell(trial, fmean(losses))
    else:
        study.tell(trial, state=optuna.trial.TrialState.PRUNED)
    return {"losses": losses, "rounds": rounds, "state": state}


def _space(declared: Booster) -> dict[str, Any]:
    """Ranges around what model.yaml declares, which always lies inside them."""
    from optuna.distributions import FloatDistribution, IntDistribution

    depth = declared.max_depth
    return {
        "learning_rate": FloatDistribution(declared.learning_rate / 4, min(1.0, declared.learning_rate * 4), log=True),
        "max_depth": IntDistribution(max(1, depth - 3), min(16, depth + 3)),
        "min_child_weight": FloatDistribution(0.0, min(1e6, max(20.0, 4 * declared.min_child_weight))),
        "subsample": FloatDistribution(min(0.5, declared.subsample), 1.0),
        "colsample_bytree": FloatDistribution(min(0.3, declared.colsample_bytree), 1.0),
        "reg_lambda": FloatDistribution(0.0, min(1e6, max(20.0, 4 * declared.reg_lambda))),
    }


def _with(training: Training, found: Mapping[str, Any]) -> Training:
    # Built anew, not copied, so that a found setting passes the same bounds as a declared one.
    booster = Booster(**(training.booster.model_dump() | dict(found)))
    return training.model_copy(update={"booster": booster})

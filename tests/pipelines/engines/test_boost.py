"""Fitting: early stopping, constraints, weights, the curve, refusals."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa
import pytest
from feature_tables import COLUMNS, FeatureTable, make, signature

from pipelines.config.model import Booster, Task, Training
from pipelines.engines import boost
from pipelines.engines.boost import Fitted, fit, parameters
from pipelines.engines.matrix import matrix, predict
from pipelines.errors import ConfigError, DataError

QUIET: Any = lambda _: None  # noqa: E731


def train(
    table: FeatureTable, *, rounds: int = 30, patience: int = 0, weights: tuple[float, ...] = (), **training: Any
) -> Fitted:
    settings = Training(threads=1, **training)
    early = matrix(table.rows(0, 29), COLUMNS, settings, weights=weights, progress=QUIET)
    later = matrix(table.rows(30, 39), COLUMNS, settings, ref=early, progress=QUIET) if patience else None
    params = parameters(settings, Task.BINARY, COLUMNS)
    return fit(early, later, params, rounds=rounds, patience=patience, progress=QUIET)


def score(fitted: Fitted, speed: np.ndarray) -> np.ndarray:
    size = len(speed)
    batch = pa.record_batch({"speed": speed, "place": ["east"] * size, "noise": np.zeros(size), "count": [1] * size})
    return predict(fitted.booster, signature(), [batch])


def test_fitting_stops_early_and_cuts_at_the_best_round(tmp_path: Path) -> None:
    fitted = train(make(tmp_path), rounds=500, patience=6, booster=Booster(learning_rate=0.3))
    losses = fitted.curve.validation
    assert len(losses) == len(fitted.curve.training) == fitted.rounds + 6 < 500
    assert fitted.loss == losses[fitted.rounds - 1] == min(losses)
    assert fitted.booster.num_boosted_rounds() == fitted.rounds
    assert fitted.booster.attributes() == {}


def test_a_cut_booster_is_the_one_fitted_for_so_many_rounds(tmp_path: Path) -> None:
    table = make(tmp_path)
    cut = train(table, rounds=500, patience=6, booster=Booster(learning_rate=0.3))
    plain = train(table, rounds=cut.rounds, booster=Booster(learning_rate=0.3))
    assert cut.booster.save_raw("json") == plain.booster.save_raw("json")
    assert plain.curve.validation == ()
    assert plain.rounds == cut.rounds


def test_the_curve_is_plain_json(tmp_path: Path) -> None:
    document = train(make(tmp_path), rounds=3, patience=3).curve.document()
    assert document["metric"] == "logloss"
    assert [len(document[name]) for name in ("training", "validation")] == [3, 3]
    assert document["training"][-1] < document["training"][0]


@pytest.mark.parametrize("sign", [-1, 1])
def test_a_monotone_constraint_is_kept(tmp_path: Path, sign: int) -> None:
    fitted = train(make(tmp_path), monotone={"speed": sign})
    steps = np.diff(score(fitted, np.linspace(-3, 3, 200)))
    assert (steps * sign >= 0).all()
    assert (sign == -1) == bool((steps == 0).all())


def test_weights_move_the_scores(tmp_path: Path) -> None:
    table = make(tmp_path)
    speed = np.linspace(-2, 2, 50)
    assert (score(train(table, weights=(1.0, 5.0)), speed) > score(train(table), speed)).all()


@pytest.mark.parametrize("name", ["place", "nothing"])
def test_a_monotone_constraint_needs_a_number(name: str) -> None:
    with pytest.raises(ConfigError, match=f"training.monotone names {name}"):
        parameters(Training(monotone={name: 1}), Task.BINARY, COLUMNS)


def test_parameters_follow_task_and_training() -> None:
    params = parameters(Training(booster=Booster(max_leaves=31), seed=5, device="cuda"), Task.MULTICLASS, COLUMNS, 3)
    assert params["objective"] == "multi:softprob"
    assert (params["num_class"], params["grow_policy"], params["seed"], params["device"]) == (3, "lossguide", 5, "cuda")
    assert "max_bin" not in params
    assert "monotone_constraints" not in parameters(Training(monotone={"speed": 0}), Task.REGRESSION, COLUMNS)


def test_what_xgboost_refuses_is_a_data_error(tmp_path: Path) -> None:
    import xgboost

    data = xgboost.QuantileDMatrix(np.ones((4, 1), np.float32), label=np.array([0, 1, 2, 3], np.float32))
    params = {"objective": "binary:logistic", "eval_metric": "logloss", "nthread": 1}
    with pytest.raises(DataError, match="XGBoost refuses the data"):
        fit(data, None, params, rounds=2, progress=QUIET)


def test_a_line_is_shown_while_it_takes_long(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(boost, "SAY_SECONDS", 0.0)
    settings = Training(threads=1)
    said: list[str] = []
    early = matrix(make(tmp_path).rows(), COLUMNS, settings, progress=QUIET)
    fit(early, None, parameters(settings, Task.BINARY, COLUMNS), rounds=2, progress=said.append)
    assert [line.split(":")[0] for line in said] == ["round 1 of 2", "round 2 of 2"]

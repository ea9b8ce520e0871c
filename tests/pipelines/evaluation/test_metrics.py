import math

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from sklearn import metrics as reference

from pipelines.config.model import Task
from pipelines.errors import ConfigError
from pipelines.evaluation import metrics


def _binary(rows=4000, seed=1, levels=None):
    draw = np.random.default_rng(seed)
    score = draw.random(rows, dtype=np.float32)
    if levels:
        score = np.round(score * levels) / np.float32(levels)
    return (draw.random(rows) < score).astype(np.float64), score


@pytest.mark.parametrize("levels", [None, 7])
def test_binary_metrics_are_scikit_learns(levels):
    label, score = _binary(levels=levels)
    found = metrics.compute(Task.BINARY, label, score)
    clipped = np.clip(score.astype(float), metrics.SMALLEST, 1 - metrics.SMALLEST)
    assert found["auc"] == pytest.approx(reference.roc_auc_score(label, score), abs=1e-9)
    assert found["pr_auc"] == pytest.approx(reference.average_precision_score(label, score), abs=1e-9)
    assert found["log_loss"] == pytest.approx(reference.log_loss(label, clipped), abs=1e-9)
    assert found["brier"] == pytest.approx(reference.brier_score_loss(label, score.astype(float)), abs=1e-9)


@given(st.lists(st.tuples(st.booleans(), st.integers(0, 6)), min_size=2, max_size=60))
def test_areas_are_scikit_learns_on_any_ties(rows):
    label = np.array([float(row[0]) for row in rows])
    score = np.array([row[1] / 6 for row in rows], dtype=np.float32)
    found = metrics.compute(Task.BINARY, label, score)
    if len(set(label)) == 1:
        assert found["auc"] is None
        assert found["pr_auc"] is None
        assert found["log_loss"] >= 0
    else:
        assert found["auc"] == pytest.approx(reference.roc_auc_score(label, score), abs=1e-9)
        assert found["pr_auc"] == pytest.approx(reference.average_precision_score(label, score), abs=1e-9)


def test_multiclass_metrics_are_scikit_learns():
    draw = np.random.default_rng(3)
    score = draw.dirichlet([2, 1, 1], 3000).astype(np.float32)
    label = np.array([draw.choice(3, p=row / row.sum()) for row in score.astype(float)], dtype=np.float64)
    found = metrics.compute(Task.MULTICLASS, label, score)
    exact = score.astype(float) / score.astype(float).sum(axis=1, keepdims=True)
    assert found["accuracy"] == pytest.approx(reference.accuracy_score(label, score.argmax(axis=1)))
    assert found["auc"] == pytest.approx(reference.roc_auc_score(label, exact, multi_class="ovr"), abs=1e-4)
    assert found["log_loss"] == pytest.approx(reference.log_loss(label, exact), abs=1e-6)


def test_regression_metrics_by_hand():
    found = metrics.compute(Task.REGRESSION, np.array([1.0, 2, 3, 4]), np.array([1.0, 2, 3, 6], dtype=np.float32))
    assert found == {"rmse": 1.0, "mae": 0.5, "r2": pytest.approx(0.2)}


@pytest.mark.parametrize(
    ("task", "label", "score", "nothing"),
    [
        (Task.BINARY, [], [], {"auc", "pr_auc", "log_loss", "brier", "calibration_error"}),
        (Task.BINARY, [1.0, 1.0], [0.5, 0.6], {"auc", "pr_auc"}),
        (Task.BINARY, [0.0, 1.0], [math.nan, 0.6], {"auc", "pr_auc", "log_loss", "brier", "calibration_error"}),
        (Task.BINARY, [0.0, 1.0], [math.inf, 0.6], {"auc", "pr_auc", "log_loss", "brier", "calibration_error"}),
        (Task.MULTICLASS, [1.0, 1.0], [[0.5, 0.5], [0.1, 0.9]], {"auc"}),
        (Task.REGRESSION, [2.0, 2.0], [1.0, 2.0], {"r2"}),
        (Task.REGRESSION, [], [], {"rmse", "mae", "r2"}),
    ],
)
def test_what_rows_cannot_give_is_none(task, label, score, nothing):
    found = metrics.compute(task, np.array(label), np.array(score, dtype=np.float32))
    assert {name for name, value in found.items() if value is None} == nothing
    assert tuple(found) == metrics.NAMES[task]


def test_certain_and_wrong_stays_finite():
    found = metrics.compute(Task.BINARY, np.array([0.0, 1.0]), np.array([1.0, 0.0], dtype=np.float32))
    assert found["log_loss"] == pytest.approx(-math.log(metrics.SMALLEST))


def test_an_unknown_metric_is_refused_by_name():
    with pytest.raises(ConfigError, match=r"gates\.floors: 'gini' is no metric of a binary model.*pr_auc"):
        metrics.check_names(Task.BINARY, ["auc", "gini"], "gates.floors")

import json

import numpy as np
import pytest

from pipelines.config.model import Task
from pipelines.evaluation.metrics import compute
from pipelines.performance.classes import expected_auc
from pipelines.performance.estimate import Estimator, fit


def drawn(task: Task, rows: int, seed: int, lean: float = 0.0) -> tuple[np.ndarray, np.ndarray]:
    """Scores that are too sure of themselves, and labels from the chances behind them; `lean` moves the rows."""
    random = np.random.default_rng(seed)
    if task is Task.MULTICLASS:
        plain = random.normal(size=(rows, 3)) + np.array([lean, 0, 0])
        chance = np.exp(plain) / np.exp(plain).sum(axis=1, keepdims=True)
        score = np.exp(2 * plain) / np.exp(2 * plain).sum(axis=1, keepdims=True)
        label = (random.random(rows)[:, None] > np.cumsum(chance, axis=1)).sum(axis=1)
        return label.astype(float), score.astype(np.float32)
    plain = random.normal(lean, 1, rows)
    if task is Task.REGRESSION:
        return plain + random.normal(0, 0.5 + np.abs(plain), rows), plain.astype(np.float32)
    label = random.random(rows) < 1 / (1 + np.exp(-plain))
    return label.astype(float), (1 / (1 + np.exp(-2 * plain))).astype(np.float32)


def taught(task: Task, days: int = 14, rows: int = 3000) -> Estimator:
    label, score = drawn(task, days * rows, 7)
    return fit(task, label, score, np.repeat(np.arange(days), rows))


@pytest.mark.parametrize(
    ("task", "metrics"),
    [
        (Task.BINARY, {"auc", "pr_auc", "log_loss", "brier"}),
        (Task.MULTICLASS, {"log_loss", "accuracy", "auc"}),
        (Task.REGRESSION, {"rmse", "mae", "r2"}),
    ],
)
def test_what_is_estimated_comes_true_on_rows_that_moved(task: Task, metrics: set[str]) -> None:
    label, score = drawn(task, 20_000, 11, lean=0.5)
    truth, found = compute(task, label, score), taught(task).estimate(score)
    assert set(found) == metrics
    for name, estimate in found.items():
        assert estimate.value == pytest.approx(truth[name], abs=0.05)
        assert estimate.rows == 20_000


@pytest.mark.parametrize("task", list(Task))
def test_nine_of_ten_days_lie_within_the_interval(task: Task) -> None:
    estimator, held, asked = taught(task, rows=1000), 0, 0
    for seed in range(100, 140):
        label, score = drawn(task, 1000, seed)
        truth = compute(task, label, score)
        for name, estimate in estimator.estimate(score).items():
            assert estimate.low is not None
            assert estimate.high is not None
            held += estimate.low <= (truth[name] or 0) <= estimate.high
            asked += 1
    assert held / asked > 0.8


def test_the_loss_of_scores_that_are_too_sure_is_not_believed() -> None:
    label, score = drawn(Task.BINARY, 20_000, 5)
    believed = -np.mean(score * np.log(score) + (1 - score) * np.log1p(-score))
    truth = compute(Task.BINARY, label, score)["log_loss"]
    assert truth is not None
    assert taught(Task.BINARY).estimate(score)["log_loss"].value == pytest.approx(truth, abs=0.02)
    assert abs(believed - truth) > 0.1


def test_days_with_a_luck_of_their_own_widen_the_interval() -> None:
    random = np.random.default_rng(0)
    day = np.repeat(np.arange(20), 500)
    score = random.random(10_000).astype(np.float32)
    calm = fit(Task.BINARY, (random.random(10_000) < score).astype(float), score, day)
    luck = np.clip(score + random.normal(0, 0.2, 20)[day], 0, 1)
    stormy = fit(Task.BINARY, (random.random(10_000) < luck).astype(float), score, day)
    assert stormy.errors["log_loss"] > 2 * calm.errors["log_loss"]


def test_expected_auc_is_the_mean_over_pairs_of_different_rows() -> None:
    random = np.random.default_rng(1)
    chance, score = random.random(40), np.round(random.random(40), 1)
    won = lost = 0.0
    for i in range(40):
        for j in range(40):
            if i != j:
                pair = chance[i] * (1 - chance[j])
                won += pair * (1.0 if score[i] > score[j] else 0.5 if score[i] == score[j] else 0.0)
                lost += pair
    assert expected_auc(chance, score) == pytest.approx(won / lost)


def test_without_days_enough_there_is_no_interval() -> None:
    label, score = drawn(Task.BINARY, 500, 2)
    found = fit(Task.BINARY, label, score, np.zeros(500)).estimate(score)
    assert found["log_loss"].low is None


def test_without_rows_there_is_no_estimate() -> None:
    nothing = fit(Task.BINARY, np.empty(0), np.empty(0, np.float32), np.empty(0))
    assert nothing.estimate(np.array([0.5], np.float32)) == {}
    assert taught(Task.BINARY, 4, 100).estimate(np.empty(0, np.float32)) == {}


@pytest.mark.parametrize("task", list(Task))
def test_json_holds_it_whole(task: Task) -> None:
    estimator = taught(task, 5, 200)
    assert Estimator.from_json(json.loads(json.dumps(estimator.to_json()))) == estimator

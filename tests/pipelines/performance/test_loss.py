import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from pipelines.config.model import Task
from pipelines.evaluation.metrics import compute
from pipelines.performance.loss import Sums, prior, prior_loss, row_loss


def rows(task: Task, count: int, seed: int = 0) -> tuple[np.ndarray, np.ndarray]:
    random = np.random.default_rng(seed)
    if task is Task.MULTICLASS:
        return random.integers(0, 3, count).astype(float), random.dirichlet([1, 1, 1], count).astype(np.float32)
    score = random.random(count).astype(np.float32)
    return ((random.random(count) < score).astype(float) if task is Task.BINARY else score + 1.0), score


@pytest.mark.parametrize("task", list(Task))
@given(counts=st.lists(st.integers(0, 40), min_size=1, max_size=5))
def test_sums_of_days_are_the_sums_of_their_union(task: Task, counts: list[int]) -> None:
    days = [rows(task, count, seed) for seed, count in enumerate(counts)]
    union = Sums.of(task, np.concatenate([d[0] for d in days]), np.concatenate([d[1] for d in days]))
    merged = Sums.total(Sums.of(task, *day) for day in days)
    assert merged.rows == union.rows
    assert merged.loss_sum == pytest.approx(union.loss_sum)
    assert merged.label_sum == pytest.approx(union.label_sum)
    assert merged.score_sum == pytest.approx(union.score_sum)


@pytest.mark.parametrize(("task", "metric"), [(Task.BINARY, "log_loss"), (Task.MULTICLASS, "log_loss")])
def test_the_mean_loss_is_the_log_loss(task: Task, metric: str) -> None:
    label, score = rows(task, 500)
    assert Sums.of(task, label, score).loss == pytest.approx(compute(task, label, score)[metric])


def test_the_loss_of_a_value_is_its_squared_error() -> None:
    label, score = rows(Task.REGRESSION, 500)
    assert row_loss(Task.REGRESSION, label, score).mean() == pytest.approx(
        compute(Task.REGRESSION, label, score)["rmse"] ** 2
    )


def test_no_rows_have_no_loss() -> None:
    assert Sums().loss is None
    assert prior_loss(Task.BINARY, np.empty(0), (0.5,)) is None
    assert prior(Task.BINARY, np.empty(0), 2) == ()


@pytest.mark.parametrize("task", list(Task))
def test_the_prior_is_what_costs_least_among_constants(task: Task) -> None:
    label, _ = rows(task, 2000, 3)
    known = prior(task, label, 3)
    other = tuple(np.roll(known, 1)) if len(known) > 1 else (known[0] * 0.9,)
    best, worse = prior_loss(task, label, known), prior_loss(task, label, other)
    assert best is not None
    assert worse is not None
    assert best < worse

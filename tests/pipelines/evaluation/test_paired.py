import time

import numpy as np
import pytest

from pipelines.config.model import METRICS, Task
from pipelines.evaluation.daily import Sample, under_draws
from pipelines.evaluation.metrics import compute
from pipelines.evaluation.paired import Paired


def world(task, days=8, rows=60, seed=1, noise=0.1):
    """Labels, two models' scores and days: each day has a mood of its own, and model two reads rows less well."""
    random = np.random.default_rng(seed)
    day = np.repeat(np.arange(days) + 19_000, rows)
    mood = np.repeat(random.normal(0, 0.5, days), rows)
    signal = random.normal(0, 1, days * rows)
    if task is Task.REGRESSION:
        label = signal + mood + random.normal(0, 0.3, len(day))
        return label, [(signal + random.normal(0, size, len(day))).astype("f4") for size in (noise, 2 * noise)], day
    if task is Task.MULTICLASS:
        label = np.clip(np.rint(signal + mood) + 1, 0, 2)
        raw = [
            -np.abs((signal + random.normal(0, size, len(day)))[:, None] + 1 - np.arange(3)) for size in (noise, 0.6)
        ]
        return label, [(np.exp(item) / np.exp(item).sum(axis=1, keepdims=True)).astype("f4") for item in raw], day
    label = (random.random(len(day)) < 1 / (1 + np.exp(-signal - mood))).astype(float)
    scores = [(1 / (1 + np.exp(-signal - random.normal(0, size, len(day))))).astype("f4") for size in (noise, 1.0)]
    return label, scores, day


def found(task, metric, label, scores, day):
    known = tuple(compute(task, label, score) for score in scores)
    return Paired.of(task, metric, label, tuple(scores), day, known)


@pytest.mark.parametrize(("task", "metric"), [(task, metric) for task in Task for metric in METRICS[task]])
def test_a_draw_of_days_is_the_metric_of_their_rows(task, metric):
    label, scores, day = world(task)
    place = day - day.min()
    draws = np.random.default_rng(5).multinomial(8, np.full(8, 1 / 8), 6).astype(float)
    mine = under_draws(task, metric, Sample(label, scores[0], place, 8))(draws)
    rough = metric == "calibration_error"  # its bins are those of all rows
    for value, times in zip(mine, draws.astype(int), strict=True):
        rows = np.concatenate([np.flatnonzero(place == d) for d, count in enumerate(times) for _ in range(count)])
        expected = compute(task, label[rows], scores[0][rows])[metric]
        assert value == pytest.approx(expected, abs=0.03 if rough else 1e-7)


@pytest.mark.parametrize("metric", ["auc", "pr_auc"])
def test_ranks_in_bins_are_next_to_exact_where_there_are_more_scores_than_bins(metric):
    label, scores, day = world(Task.BINARY, days=10, rows=2_000)
    assert len(np.unique(scores[0])) > 10_000
    ones = np.ones((1, 10))
    mine = under_draws(Task.BINARY, metric, Sample(label, scores[0], day - day.min(), 10))(ones)
    assert mine[0] == pytest.approx(compute(Task.BINARY, label, scores[0])[metric], abs=1e-3)


@pytest.mark.parametrize(("task", "metric"), [(task, metric) for task in Task for metric in METRICS[task]])
def test_the_interval_holds_the_difference(task, metric):
    label, scores, day = world(task)
    item = found(task, metric, label, scores, day)
    assert item.days == 8
    assert item.low <= item.worse <= item.high or metric == "calibration_error"
    assert item == found(task, metric, label, scores, day)


def test_a_model_against_itself_differs_by_nothing():
    label, scores, day = world(Task.BINARY)
    item = found(Task.BINARY, "auc", label, [scores[0], scores[0]], day)
    assert (item.worse, item.low, item.high) == (0.0, 0.0, 0.0)


def test_better_is_below_zero_whichever_way_the_metric_points():
    label, scores, day = world(Task.BINARY)
    for metric in ("auc", "log_loss"):
        assert found(Task.BINARY, metric, label, scores, day).high < 0
        assert found(Task.BINARY, metric, label, scores[::-1], day).low > 0


@pytest.mark.parametrize("days", [5, 14])
def test_the_interval_covers_the_truth_about_as_often_as_it_says(days):
    """Days differ by moods of their own; the true mean difference is 0.1, and 95% of intervals should hold it."""
    random = np.random.default_rng(3)
    hits = 0
    for _ in range(200):
        place = np.repeat(np.arange(days), 20)
        apart = 0.1 + np.repeat(random.normal(0, 0.3, days), 20) + random.normal(0, 0.3, len(place))
        label = np.zeros(len(place))
        scores = (np.full(len(place), 10.0) + apart, np.full(len(place), 10.0))
        item = found(Task.REGRESSION, "mae", label, scores, place)
        hits += item.low <= 0.1 <= item.high
    assert hits >= 0.89 * 200


def test_rows_of_one_day_are_no_witnesses_of_their_own():
    """Ten times the rows on the same days narrow nothing: it is the days that differ."""
    narrow, wide = (
        found(Task.REGRESSION, "mae", np.zeros(8 * rows), (_moody(rows), np.zeros(8 * rows)), np.repeat(range(8), rows))
        for rows in (20, 200)
    )
    assert wide.high - wide.low == pytest.approx(narrow.high - narrow.low, rel=0.02)


def _moody(rows):
    return np.repeat(np.random.default_rng(9).normal(2, 1, 8), rows)


def test_no_interval_where_days_cannot_give_one():
    label, scores, day = world(Task.BINARY)
    one = day == day.min()
    item = found(Task.BINARY, "log_loss", label[one], [score[one] for score in scores], day[one])
    assert (item.days, item.low, item.high) == (1, None, None)
    rare = np.zeros(len(label))
    rare[0] = 1.0
    assert found(Task.BINARY, "auc", rare, scores, day).high is None
    assert found(Task.BINARY, "auc", np.zeros(len(label)), scores, day) is None


def test_it_takes_no_time():
    label, scores, day = world(Task.BINARY, days=14, rows=2_000)
    known = tuple(compute(Task.BINARY, label, score) for score in scores)
    for metric in METRICS[Task.BINARY]:
        started = time.process_time()
        Paired.of(Task.BINARY, metric, label, tuple(scores), day, known)
        assert time.process_time() - started < 2.0


@pytest.mark.parametrize(("task", "metric"), [(task, metric) for task in Task for metric in METRICS[task]])
def test_a_difference_is_ours_less_theirs_inside_its_interval(task, metric):
    label, scores, day = world(task)
    ours, theirs = (compute(task, label, score)[metric] for score in scores)
    item = found(task, metric, label, scores, day)
    told = item.difference(min_days=8)
    assert told["difference"] == pytest.approx(ours - theirs, abs=1e-8)
    assert told["low"] <= told["difference"] <= told["high"]
    assert told["high"] - told["low"] == pytest.approx(item.high - item.low)
    # As few days as the gate finds too few give no interval here either.
    assert item.difference(min_days=9) == {"difference": told["difference"], "low": None, "high": None}

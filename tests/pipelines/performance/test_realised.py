import numpy as np
import pytest

from pipelines.config.model import Task
from pipelines.evaluation.metrics import compute
from pipelines.evaluation.scoring import Codes
from pipelines.performance.loss import Sums
from pipelines.performance.realised import MAX_VALUES, realised


def day(rows: int, seed: int = 1) -> tuple[np.ndarray, np.ndarray]:
    random = np.random.default_rng(seed)
    score = random.random(rows).astype(np.float32)
    return (random.random(rows) < score).astype(float), score


def test_rows_without_a_label_count_as_scored_only() -> None:
    label, score = day(100)
    label[:30] = np.nan
    found = realised(Task.BINARY, label, score, {})
    assert (found.rows, found.sums.rows) == (100, 70)
    assert found.metrics == compute(Task.BINARY, label[30:], score[30:])


def test_a_day_without_labels_has_no_metric_and_raises_nothing() -> None:
    _, score = day(10)
    found = realised(Task.BINARY, np.full(10, np.nan), score, {})
    assert set(found.metrics.values()) == {None}
    assert set(found.intervals.values()) == {None}
    assert found.to_json()["labelled"] == 0


def test_the_same_rows_give_the_same_intervals() -> None:
    assert realised(Task.BINARY, *day(300), {}) == realised(Task.BINARY, *day(300), {})


@pytest.mark.parametrize("rows", [300, 20_000])
def test_an_interval_holds_the_truth_about_nine_times_in_ten(rows: int) -> None:
    truth = 1 / 4  # the log loss of a score that is its own chance, drawn evenly, in the mean: -2 * integral of p log p
    held = 0
    for seed in range(40):
        found = realised(Task.BINARY, *day(rows, seed), {})
        ends = found.intervals["log_loss"]
        assert ends is not None
        held += ends[0] <= 2 * truth <= ends[1]
    assert 30 <= held <= 40


def test_slices_split_the_sums() -> None:
    label, score = day(400)
    codes = Codes(("EWR", "JFK", "LGA"), np.arange(400) % 3)
    found = realised(Task.BINARY, label, score, {"origin": codes})
    assert set(found.slices["origin"]) == {"EWR", "JFK", "LGA"}
    whole = Sums.total(found.slices["origin"].values())
    assert whole.rows == 400
    assert whole.loss_sum == pytest.approx(found.sums.loss_sum)


def test_the_largest_values_of_a_slice_are_kept() -> None:
    label, score = day(4000)
    codes = Codes(tuple(str(n) for n in range(80)), np.minimum(np.arange(4000) % 100, 79))
    found = realised(Task.BINARY, label, score, {"plane": codes}).slices["plane"]
    assert len(found) == MAX_VALUES
    assert next(iter(found)) == "79"

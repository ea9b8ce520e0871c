import numpy as np
import pytest
from feature_tables import COLUMNS

from pipelines.config.model import Task
from pipelines.evaluation import robustness, sampling
from pipelines.storage.model_file import NULL_NUMBER

RNG = np.random.default_rng(3)
ROWS = 2_000
BLOCK = np.column_stack(
    [RNG.normal(size=ROWS), RNG.integers(1, 4, ROWS), RNG.normal(size=ROWS), RNG.integers(0, 9, ROWS)]
).astype(np.float32)
BLOCK[::50, 0] = NULL_NUMBER
SCORE = 1 / (1 + np.exp(-2 * np.where(BLOCK[:, 0] > -1e29, BLOCK[:, 0], 0) - (BLOCK[:, 1] == 2)))
LABEL = (RNG.random(ROWS) < SCORE).astype(float)


def logistic(block):
    """Looks at the first number and at the category, and at nothing else."""
    number = np.where(block[:, 0] > -1e29, block[:, 0], 0)
    return (1 / (1 + np.exp(-2 * number - (block[:, 1] == 2)))).astype(np.float32)


def measured(predict=logistic, block=BLOCK, trees=1):
    return robustness.measure(Task.BINARY, COLUMNS, predict, block, LABEL[: len(block)], seed=1, trees=trees)


def test_only_what_the_model_looks_at_costs_anything():
    found = measured()
    growth = {(item.feature, item.kind): item.growth for item in found.spoilt}
    assert set(growth) == {
        *((name, kind) for name in ("speed", "noise", "count") for kind in ("missing", "noise", "unit")),
        ("place", "unknown"),
    }
    assert growth["speed", "missing"] > 0.3 > growth["speed", "noise"] > 0
    assert growth["speed", "unit"] > 0
    assert growth["place", "unknown"] > 0
    assert {growth[name, kind] for name in ("noise", "count") for kind in ("missing", "noise", "unit")} == {0.0}
    assert found.of("missing")[0].feature == "speed"
    assert found.rows == ROWS


def test_growth_is_told_in_units_of_what_knowing_nothing_loses():
    """Of two models with the same growth in nats the better one is not the more fragile."""
    share = LABEL.mean()
    nothing = -(share * np.log(share) + (1 - share) * np.log(1 - share))
    found = measured()
    assert found.loss < found.scale == pytest.approx(nothing, rel=1e-6)
    blind = BLOCK.copy()
    blind[:, 0] = NULL_NUMBER
    loss = -np.mean(np.log(np.where(LABEL == 1, logistic(blind), 1 - logistic(blind))))
    growth = next(item.growth for item in found.spoilt if (item.feature, item.kind) == ("speed", "missing"))
    assert growth == pytest.approx((loss - found.loss) / nothing, rel=1e-4)


def test_a_model_worse_than_knowing_nothing_is_its_own_measure():
    found = measured(lambda block: 1 - logistic(block))
    assert found.scale == found.loss > 0.7


def test_the_input_is_left_as_it_was_and_the_answer_repeats():
    before = BLOCK.copy()
    assert measured() == measured()
    assert np.array_equal(BLOCK, before)


def test_a_null_stays_null_when_numbers_are_shaken():
    seen = []

    def watch(block):
        seen.append(block[:, 0].copy())
        return logistic(block)

    measured(watch)
    null = np.float32(NULL_NUMBER)
    shaken = [column for column in seen if not (column == null).all()]
    assert all((column[::50] == null).all() for column in shaken)


def test_scores_that_are_no_numbers_are_the_worst_answer():
    def breaks(block):
        return np.where(block[:, 1] == 0, np.nan, logistic(block)).astype(np.float32)

    assert measured(breaks).of("unknown")[0].growth is None


def test_very_many_features_are_tried_on_fewer_rows(monkeypatch):
    monkeypatch.setattr(robustness, "MOST_ROWS_SCORED", 3_000)
    assert measured().rows == 250


def test_a_model_of_very_many_trees_is_tried_on_fewer_rows():
    assert measured(trees=20_000).rows == sampling.MOST_WALKS // (20_000 * 3 * len(COLUMNS.features))


def test_no_rows_are_no_error():
    assert measured(block=BLOCK[:0]).loss is None

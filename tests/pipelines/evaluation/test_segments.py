import numpy as np
import pytest

from pipelines.config.model import Task
from pipelines.engines.columns import Columns
from pipelines.evaluation.segments import parts_of, weak
from pipelines.storage.model_file import NULL_NUMBER, Feature

COLUMNS = Columns(
    (Feature(name="distance", kind="number"), Feature(name="shop", kind="category")),
    {"shop": ("(unknown)", "east", "north", "south")},
)
ROWS = 3_000


def world(hurt, seed=1):
    """Rows of two features and honest scores, but where `hurt` (n,) says so the model is sure of the opposite."""
    random = np.random.default_rng(seed)
    distance = random.gamma(2, 3, ROWS).astype("f4")
    distance[::50] = NULL_NUMBER
    block = np.column_stack([distance, random.integers(0, 4, ROWS)]).astype("f4")
    chance = random.uniform(0.05, 0.5, ROWS)
    label = (random.random(ROWS) < chance).astype(float)
    score = np.where(hurt(block), 1 - np.abs(label - 0.05), chance).astype("f4")
    return block, label, score


@pytest.mark.parametrize(
    ("hurt", "words"),
    [
        (lambda block: block[:, 1] == 3, "shop is south"),
        (lambda block: block[:, 1] <= 1, "shop is"),
        (lambda block: block[:, 0] > 12, "distance > "),
        (lambda block: (block[:, 1] == 3) & (block[:, 0] > 6), "shop is south"),
    ],
)
def test_a_hurt_segment_is_found_and_named(hurt, words):
    block, label, score = world(hurt)
    found, mean = weak(Task.BINARY, COLUMNS, block, label, score, 50, 1)
    worst = found[0]
    assert words in worst.rule
    assert worst.rows == pytest.approx(hurt(block).sum(), rel=0.15)
    assert worst.ratio == pytest.approx(worst.loss / mean)
    assert worst.ratio > 1.5
    assert worst.loss > worst.prior_loss


def test_what_is_missing_is_told_in_words():
    block, label, score = world(lambda block: block[:, 0] < -1)
    found, _ = weak(Task.BINARY, COLUMNS, block, label, score, 40, 1)
    assert "distance is missing" in found[0].rule
    assert found[0].rows == 60


def test_a_mixed_side_says_that_it_holds_the_missing_ones_too():
    block, label, score = world(lambda block: block[:, 0] <= 4)
    found, _ = weak(Task.BINARY, COLUMNS, block, label, score, 100, 1)
    assert "or missing" in found[0].rule


def test_rows_that_are_hard_for_anybody_are_told_from_a_weak_model():
    """A rare and a frequent class apart: the loss differs by ten, and the model knows all that is to know."""
    random = np.random.default_rng(2)
    shop = random.integers(0, 4, ROWS)
    chance = np.where(shop == 1, 0.5, 0.005)
    label = (random.random(ROWS) < chance).astype(float)
    block = np.column_stack([np.ones(ROWS), shop]).astype("f4")
    found, _ = weak(Task.BINARY, COLUMNS, block, label, chance.astype("f4"), 100, 1)
    assert found[0].ratio > 3
    assert found[0].loss == pytest.approx(found[0].prior_loss, rel=0.02)


@pytest.mark.parametrize("task", [Task.MULTICLASS, Task.REGRESSION])
def test_other_tasks(task):
    random = np.random.default_rng(4)
    block, _, _ = world(lambda block: block[:, 1] > 9)
    bad = block[:, 1] == 2
    if task is Task.REGRESSION:
        label = random.normal(0, 1, ROWS)
        score = (label + random.normal(0, np.where(bad, 3.0, 0.3))).astype("f4")
    else:
        label = random.integers(0, 3, ROWS).astype(float)
        score = np.full((ROWS, 3), 0.1, "f4")
        score[np.arange(ROWS), np.where(bad, (label + 1) % 3, label).astype(int)] = 0.8
    found, _ = weak(task, COLUMNS, block, label, score, 100, 1)
    assert "shop is north" in found[0].rule
    assert found[0].loss > found[0].prior_loss


@pytest.mark.parametrize(("rows", "spoil", "known"), [(150, 0.5, True), (ROWS, np.nan, False), (0, 0.5, False)])
def test_nothing_is_found_where_nothing_can_be(rows, spoil, known):
    block, label, score = world(lambda block: block[:, 1] == 3)
    score[0] = spoil
    found, mean = weak(Task.BINARY, COLUMNS, block[:rows], label[:rows], score[:rows], 100, 1)
    assert found == ()
    assert (mean is not None) is known


def test_parts_are_the_large_slices_of_the_report():
    document = [
        {
            "column": "shop",
            "values": [
                {"value": "east", "rows": 300, "challenger": {"auc": 0.7}, "champion": {"auc": 0.6}},
                {"value": "west", "rows": 40, "challenger": {"auc": 0.5}, "champion": {"auc": 0.6}},
            ],
        }
    ]
    (part,) = parts_of(document, ["challenger", "champion"], 200)
    assert (part.value, part.champion) == ("east", {"auc": 0.6})
    (alone,) = parts_of(document, ["challenger"], 200)
    assert alone.champion is None

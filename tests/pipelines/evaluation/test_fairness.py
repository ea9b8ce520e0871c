import numpy as np
import pytest

from pipelines.evaluation.fairness import gaps
from pipelines.evaluation.scoring import Codes

ROWS = 6_000


def world(shares, seed=1):
    """Rows of as many groups as `shares`; of each that share is selected, and all whose label is 1 alike."""
    random = np.random.default_rng(seed)
    codes = random.integers(0, len(shares), ROWS).astype("i4")
    score = (random.random(ROWS) < np.array(shares)[codes]).astype("f4")
    label = (random.random(ROWS) < 0.3).astype(float)
    return label, score, Codes(tuple(f"g{number}" for number in range(len(shares))), codes)


def test_gaps_are_those_between_the_shares():
    label, score, codes = world([0.2, 0.5, 0.4])
    (found,) = gaps(label, score, {"group": codes}, 0.5, 200)
    assert found.attribute == "group"
    assert found.selection == pytest.approx(0.3, abs=0.04)
    assert found.opportunity == pytest.approx(0.3, abs=0.06)
    assert found.impact == pytest.approx(0.4, abs=0.06)
    for value, (low, high) in (
        (found.selection, found.selection_interval),
        (found.opportunity, found.opportunity_interval),
        (found.impact, found.impact_interval),
    ):
        assert low <= value <= high
        assert high - low < 0.2
    by_hand = {item.value: item for item in found.groups}
    own = codes.codes == 1
    assert by_hand["g1"].rows == own.sum()
    assert by_hand["g1"].selection == pytest.approx(score[own].mean())
    assert by_hand["g1"].opportunity == pytest.approx(score[own & (label > 0)].mean())
    assert gaps(label, score, {"group": codes}, 0.5, 200) == (found,)


def test_the_threshold_selects_from_itself_on():
    label, score, codes = world([0.2, 0.5])
    (found,) = gaps(label, score, {"group": codes}, 1.0, 200)
    assert found.selection == pytest.approx(0.3, abs=0.04)


def test_small_groups_are_left_out_and_counted():
    label, score, codes = world([0.2, 0.5])
    codes.codes[:10] = 0
    few = Codes((*codes.values, "few"), codes.codes.copy())
    few.codes[:150] = 2
    (found,) = gaps(label, score, {"group": few}, 0.5, 200)
    assert {item.value for item in found.groups} == {"g0", "g1"}
    assert found.left_out == 150


def test_nothing_to_compare_is_none():
    label, score, codes = world([0.3])
    (alone,) = gaps(label, score, {"group": codes}, 0.5, 200)
    assert (alone.selection, len(alone.groups)) == (None, 1)
    (none,) = gaps(label, score, {"group": codes}, 0.5, ROWS + 1)
    assert (none.groups, none.left_out) == ((), ROWS)


def test_groups_without_labels_of_one_have_no_opportunity():
    label, score, codes = world([0.2, 0.5])
    label[codes.codes == 1] = 0
    (found,) = gaps(label, score, {"group": codes}, 0.5, 200)
    assert found.opportunity is None
    assert found.selection is not None


def test_nobody_selected_is_nobody_wronged():
    label, score, codes = world([0.2, 0.5])
    (found,) = gaps(label, score * 0, {"group": codes}, 0.5, 200)
    assert (found.selection, found.impact) == (0.0, 1.0)

import numpy as np
import pytest
from feature_tables import COLUMNS

from pipelines.config.gates import BehaviourGate
from pipelines.config.model import Task
from pipelines.errors import ConfigError
from pipelines.evaluation import behaviour
from pipelines.storage.model_file import NULL_NUMBER

BLOCK = np.array([[1, 1, 0, 3], [2, 2, 0, 3], [NULL_NUMBER, 3, 0, 3], [4, 1, 0, 3]], np.float32)


def rule(**parts):
    return BehaviourGate.model_validate(parts)


def score(block):
    """Rises with speed, and by a half for the second place."""
    return (np.where(block[:, 0] < -1e29, 0, block[:, 0]) / 10 + (block[:, 1] == 2) / 2).astype(np.float32)


def test_without_rules_nothing_is_measured():
    assert behaviour.measure(rule(), COLUMNS, score, BLOCK) is None


def test_the_value_that_moves_scores_most_is_named():
    found = behaviour.measure(rule(invariance=[{"column": "place"}, {"column": "count"}]), COLUMNS, score, BLOCK)
    place, count = found.invariance
    assert (place.value, place.mean) == ("north", pytest.approx(0.375))
    assert count.mean == 0


def test_a_number_is_set_to_values_that_it_has():
    (found,) = behaviour.measure(rule(invariance=[{"column": "speed"}]), COLUMNS, score, BLOCK).invariance
    assert found.value in {"1", "4"}
    assert found.mean > 0.1


def test_directions_leave_nulls_alone():
    rules = rule(direction=[{"column": "speed", "by": 2.0, "score": "rise"}])
    (found,) = behaviour.measure(rules, COLUMNS, score, BLOCK).direction
    assert found.change == pytest.approx(0.15)
    assert found.rising == 0.75


def test_several_classes_move_by_half_the_sum():
    def three(block):
        first = (block[:, 1] == 2).astype(np.float32)
        return np.column_stack([first, 1 - first, np.zeros(len(block), np.float32)])

    (found,) = behaviour.measure(rule(invariance=[{"column": "place"}]), COLUMNS, three, BLOCK).invariance
    assert found.mean == 0.75


@pytest.mark.parametrize(
    ("parts", "task", "why"),
    [
        ({"invariance": [{"column": "colour"}]}, Task.BINARY, "'colour' is no feature"),
        ({"direction": [{"column": "place", "by": 1.0, "score": "rise"}]}, Task.BINARY, "a category"),
        ({"direction": [{"column": "speed", "by": 1.0, "score": "rise"}]}, Task.MULTICLASS, "no one score"),
    ],
)
def test_rules_that_cannot_be_asked_are_config_errors(parts, task, why):
    with pytest.raises(ConfigError, match=why):
        behaviour.check(rule(**parts), task, COLUMNS)

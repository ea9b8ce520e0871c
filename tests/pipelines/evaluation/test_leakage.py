import numpy as np
import pyarrow as pa
import pytest

from pipelines.config.model import Task
from pipelines.engines.columns import Columns
from pipelines.evaluation.leakage import clock, facts, membership, strengths
from pipelines.storage.model_file import NULL_NUMBER, Feature

ROWS = 4_000
COLUMNS = Columns(
    (
        Feature(name="noise", kind="number"),
        Feature(name="leak", kind="number"),
        Feature(name="code", kind="category"),
    ),
    {"code": ("(unknown)", *(f"c{number:03}" for number in range(400)))},
)


def block(label, leak, code=None, seed=1):
    random = np.random.default_rng(seed)
    code = random.integers(1, 401, len(label)) if code is None else code
    return np.column_stack([random.normal(0, 1, len(label)), leak, code]).astype("f4")


def labels(task, seed=2):
    random = np.random.default_rng(seed)
    if task is Task.REGRESSION:
        return random.lognormal(2, 1, ROWS)
    return random.integers(0, 3 if task is Task.MULTICLASS else 2, ROWS).astype(float)


@pytest.mark.parametrize("task", list(Task))
def test_a_copy_of_the_label_in_another_unit_stands_out(task):
    label = labels(task)
    found = strengths(task, COLUMNS, block(label, label * 1.609 - 4), label, 3)
    assert found[0][0] == "leak"
    assert found[0][1] > 0.98
    assert dict(found)["noise"] < (0.1 if task is Task.REGRESSION else 0.56)


def test_what_is_missing_when_the_label_is_one_tells_it_too():
    label = labels(Task.BINARY)
    leak = np.where(label > 0, NULL_NUMBER, 5.0)
    found = strengths(Task.BINARY, COLUMNS, block(label, leak), label, 0)
    assert found[0] == ("leak", 1.0)


def test_a_category_made_of_the_label_tells_it_wherever_its_codes_lie():
    label = labels(Task.BINARY)
    random = np.random.default_rng(7)
    code = random.permutation(400)[(label * 200 + random.integers(0, 200, ROWS)).astype(int)] + 1
    found = strengths(Task.BINARY, COLUMNS, block(label, np.ones(ROWS), code), label, 0)
    assert found[0][0] == "code"
    assert found[0][1] > 0.98
    assert dict(found)["leak"] == 0.5  # one value for all rows


def test_a_category_of_many_values_explains_nothing_by_heart():
    label = labels(Task.BINARY)
    found = dict(strengths(Task.BINARY, COLUMNS, block(label, np.ones(ROWS)), label, 0))
    assert found["code"] < 0.56


def test_a_counter_gives_the_days_away_and_weather_does_not():
    random = np.random.default_rng(3)
    weather = np.repeat(random.normal(0, 1, 40), 100)

    def side(first, last):
        rows = slice(first * 100, last * 100)
        return {"weather": weather[rows], "x": random.normal(0, 1, (last - first) * 100)}

    train, test = side(0, 30), side(30, 40)
    auc, (low, high) = membership(pa.table(train), pa.table(test), 1)
    assert auc < 0.9
    assert low <= auc <= high
    counter = [
        pa.table(part | {"row": first * 100.0 + np.arange(len(part["x"]))}) for part, first in ((train, 0), (test, 30))
    ]
    assert membership(*counter, 1)[0] > 0.99
    assert membership(counter[0].slice(0, 5), counter[1], 1) is None


@pytest.mark.parametrize(
    ("ticks", "known"),
    [
        (lambda row: row, True),
        (lambda row: -(row // 40), True),  # a date, the newest first
        (lambda row: row // 200, False),  # as few values as months have
        (lambda row: np.sin(row / 300), False),  # weather
    ],
)
def test_a_clock_is_what_follows_time_and_has_more_values_than_a_calendar(ticks, known):
    label = labels(Task.BINARY)
    name, follows = clock(COLUMNS, block(label, ticks(np.arange(ROWS))))
    assert ((name, follows > 0.99) == ("leak", True)) is known


def test_categories_are_no_clocks():
    label = labels(Task.BINARY)
    rows = block(label, np.ones(ROWS), np.arange(ROWS) // 10)
    rows[:, 0] = 1
    assert clock(COLUMNS, rows) is None


def test_facts_name_their_measure():
    found = facts(Task.REGRESSION, [("a", 0.5)], 10, None)
    assert (found.measure, found.membership, found.membership_interval) == ("R2", None, None)
    assert facts(Task.BINARY, [("a", 0.5)], 10, (0.7, (0.6, 0.8))).membership == 0.7

"""Case 39 in numbers: from which share on flipped labels are surely seen, and that untouched days are left alone."""

from dataclasses import replace
from datetime import date

import numpy as np
import pyarrow as pa
import pytest
from feature_tables import COLUMNS, make

from pipelines.config.gates import Gates
from pipelines.config.model import Task
from pipelines.evaluation import poisoning
from pipelines.gates import poisoning as gate

DAYS, ROWS, NEWEST = 24, 400, 3


def world(seed, strength=1.5):
    """Days of labels that scores order more or less well; every third day is a storm that nobody foresaw."""
    rng = np.random.default_rng(seed)
    day = np.repeat(np.arange(DAYS), ROWS)
    known = rng.normal(size=len(day)) * strength
    storm = (day % 3 == 0) * 1.0
    label = (rng.random(len(day)) < 1 / (1 + np.exp(1.2 - known - storm))).astype(float)
    return rng, day, label, (1 / (1 + np.exp(1.2 - known))).astype(np.float32)


def found(rng, day, label, score, share):
    newest = day >= DAYS - NEWEST
    flipped = newest & (rng.random(len(day)) < share)
    label = np.where(flipped, 1 - label, label)
    now, past = ((day[m], label[m], score[m]) for m in (newest, ~newest))
    ours, theirs = (poisoning.orders(Task.BINARY, *rows) for rows in (now, past))
    low, point = (poisoning.flipped(Task.BINARY, ours, theirs, errors=errors) for errors in (2.0, 0.0))
    return low, point, poisoning._usual(Task.BINARY, past, theirs, NEWEST)


@pytest.mark.parametrize("strength", [0.8, 1.5, 3.0])
def test_untouched_days_pass_and_a_quarter_of_flips_is_always_seen(strength):
    bound = Gates().poisoning.max_flipped
    for seed in range(15):
        low, _, usual = found(*world(seed, strength), 0.0)
        assert low <= max(bound, usual), "nobody touched these labels"
        low, point, usual = found(*world(seed, strength), 0.25)
        assert low > max(bound, usual), "a quarter of the newest labels was flipped"
        assert point == pytest.approx(0.25, abs=0.1)


def test_where_scores_order_labels_well_a_sixth_is_seen():
    for seed in range(15):
        low, _, usual = found(*world(seed, 3.0), 1 / 6)
        assert low > max(Gates().poisoning.max_flipped, usual)


@pytest.mark.parametrize(("order", "share"), [(0.6, 0.0), (0.7, 0.0), (0.0, 0.3), (-0.2, 0.3)])
def test_the_share_at_the_ends(order, share):
    assert poisoning.flips(Task.BINARY, order, 0.6, 0.3) == pytest.approx(share, abs=1e-6)


def test_what_cannot_be_told_is_none():
    assert poisoning.flips(Task.BINARY, 0.1, 0.0, 0.3) is None
    assert poisoning.flips(Task.BINARY, 0.1, 0.5, 1.0) is None


def test_several_classes_and_values():
    rng = np.random.default_rng(5)
    day = np.repeat(np.arange(4), 500)
    truth = rng.integers(0, 3, 2000)
    score = np.full((2000, 3), 0.15, np.float32)
    score[np.arange(2000), truth] = 0.7
    wrong = np.where(rng.random(2000) < 0.3, (truth + 1) % 3, truth)
    clean, spoilt = (poisoning.orders(Task.MULTICLASS, day, label.astype(float), score) for label in (truth, wrong))
    assert poisoning.flipped(Task.MULTICLASS, clean, clean) == 0
    assert poisoning.flipped(Task.MULTICLASS, spoilt, clean) == pytest.approx(0.25, abs=0.1)
    value = rng.normal(size=2000)
    noise = np.where(rng.random(2000) < 0.3, rng.normal(size=2000), value)
    clean, spoilt = (poisoning.orders(Task.REGRESSION, day, label, value) for label in (value, noise))
    assert poisoning.flipped(Task.REGRESSION, spoilt, clean) == pytest.approx(0.3, abs=0.05)


def copied(table: pa.Table) -> pa.Table:
    """Every other row of the last two days stands there once more, in another place."""
    last = np.array(table.column("event_date").to_pylist()) >= date(2024, 2, 27)
    places = np.arange(len(table))
    places[last] -= places[last] % 2
    ids = table.column("row_id")
    return table.take(pa.array(places)).set_column(0, "row_id", ids)


@pytest.mark.parametrize(("change", "passed"), [(None, True), (copied, False)])
def test_rows_that_came_twice(tmp_path, change, passed):
    table = make(tmp_path, change=change)
    newest = table.rows(table.days - 3)
    nobody = (np.empty(0, np.int32), np.empty(0), np.empty(0, np.float32))
    facts = poisoning.measure(Task.BINARY, newest, COLUMNS, [nobody, nobody], table.rows().first)
    assert facts.flipped is None
    assert facts.copies_before == 0
    assert (facts.copies > 0.2) is not passed
    labels, copies = gate._labels(facts, 0.1), gate._copies(facts, 0.05)
    assert labels.passed, "what cannot be told passes, and says so"
    assert "cannot be checked" in labels.sentence
    assert copies.passed is passed


def test_rows_that_are_alike_by_nature_are_no_copies(tmp_path):
    table = make(tmp_path, change=lambda whole: whole.take(pa.array(np.arange(len(whole)) // 2 * 2)))
    newest = replace(table.rows(), first=table.rows(table.days - 3).first)
    assert poisoning.copies(newest, COLUMNS) > 0.4
    assert poisoning.usual_copies(newest, COLUMNS, table.rows().first) > 0.4

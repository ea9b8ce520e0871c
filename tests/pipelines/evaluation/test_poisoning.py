"""Case 39 in numbers: from which share on flipped labels are surely seen, and that untouched days are left alone."""

from datetime import date, timedelta

import numpy as np
import pyarrow as pa
import pytest
from feature_tables import COLUMNS, make

from pipelines.config.gates import Gates
from pipelines.config.model import Task
from pipelines.engines import relearnt
from pipelines.evaluation import copies, ordering, poisoning
from pipelines.evaluation.poisoning import EPOCH, Poisoning, Seen
from pipelines.gates import poisoning as gate

DAYS, ROWS, TEST, WINDOW = 24, 400, 14, 3
BOUND = Gates().poisoning.max_flipped


def world(seed, strength=1.5):
    """Days of labels that scores order more or less well; every third day is a storm that nobody foresaw."""
    rng = np.random.default_rng(seed)
    day = np.repeat(np.arange(DAYS), ROWS)
    known = rng.normal(size=len(day)) * strength
    storm = (day % 3 == 0) * 1.0
    label = (rng.random(len(day)) < 1 / (1 + np.exp(1.2 - known - storm))).astype(float)
    return rng, day, label, (1 / (1 + np.exp(1.2 - known))).astype(np.float32)


def found(rng, day, label, score, share, days=range(0), block=None):
    """What the gate judges by where `share` of the labels of `days` (0: the newest) is flipped."""
    flipped = np.isin(DAYS - 1 - day, list(days)) & (rng.random(len(day)) < share)
    label = np.where(flipped, 1 - label, label)
    block = score[:, None] if block is None else block
    seen, again = [], []
    for rows in (day < DAYS - TEST, day >= DAYS - TEST):
        part = Seen(day[rows], label[rows], score[rows])
        seen.append(part)
        again.append(
            lambda part=part, rows=rows: part._replace(score=relearnt.scores(Task.BINARY, *part, block[rows], 1))
        )
    spans = poisoning.windows(EPOCH + timedelta(days=DAYS - TEST), EPOCH + timedelta(days=DAYS - 1), WINDOW)
    _, usual, worst = poisoning.judged(Task.BINARY, spans, BOUND, tuple(seen), tuple(again))
    return worst, max(BOUND, usual)


@pytest.mark.parametrize("strength", [0.8, 1.5, 3.0])
def test_untouched_days_pass(strength):
    for seed in range(8):
        worst, bound = found(*world(seed, strength), 0.0)
        assert worst.interval[0] <= bound, "nobody touched these labels"


@pytest.mark.parametrize("strength", [0.8, 1.5, 3.0])
@pytest.mark.parametrize(
    "days", [range(3), range(6), range(7), range(3, 7), range(9, 12), range(14)], ids=lambda days: f"{days}"
)
def test_a_quarter_of_flips_is_always_seen_however_many_days_and_how_old(strength, days):
    for seed in range(3):
        worst, bound = found(*world(seed, strength), 0.25, days)
        assert worst.interval[0] > bound, "a quarter of these labels was flipped"
        assert worst.flipped == pytest.approx(0.25, abs=0.1)


def test_where_scores_order_labels_well_a_sixth_is_seen():
    for seed in range(4):
        worst, bound = found(*world(seed, 3.0), 1 / 6, range(7))
        assert worst.interval[0] > bound


def test_days_that_nobody_foresaw_are_no_flips_and_labels_turned_round_are():
    rng, day, label, score = world(4)
    odd, strange = rng.normal(size=len(day)), np.isin(DAYS - 1 - day, range(5, 8))
    label = np.where(strange, (odd > 0.4).astype(float), label)
    label = np.where(strange & (rng.random(len(day)) < 0.2), (score > 0.4).astype(float), label)
    block = np.column_stack([score, odd])
    worst, bound = found(rng, day, label, score, 0.0, block=block)
    assert worst.interval[0] <= bound, "another rule for three days, and not by chance"
    worst, bound = found(*world(4), 1.0, range(3))
    assert worst.interval[0] > bound, "a rule that can be learnt, and yet the wrong way round"
    assert not worst.relearnt


def test_windows_of_days():
    day = date(2024, 1, 1)
    two = poisoning.windows(day, day + timedelta(days=3), 3)
    assert two == [(day + timedelta(days=n), day + timedelta(days=n + 2)) for n in (1, 0)]
    assert poisoning.windows(day, day, 3) == [(day, day)]
    assert poisoning.windows(day, day - timedelta(days=1), 3) == []


@pytest.mark.parametrize(("order", "share"), [(0.6, 0.0), (0.7, 0.0), (0.0, 0.3), (-0.2, 0.3)])
def test_the_share_at_the_ends(order, share):
    assert ordering.flips(Task.BINARY, order, 0.6, 0.3) == pytest.approx(share, abs=1e-6)


def test_what_cannot_be_told_is_none():
    assert ordering.flips(Task.BINARY, 0.1, 0.0, 0.3) is None
    assert ordering.flips(Task.BINARY, 0.1, 0.5, 1.0) is None


def test_several_classes_and_values():
    rng = np.random.default_rng(5)
    day = np.repeat(np.arange(4), 500)
    truth = rng.integers(0, 3, 2000)
    score = np.full((2000, 3), 0.15, np.float32)
    score[np.arange(2000), truth] = 0.7
    wrong = np.where(rng.random(2000) < 0.3, (truth + 1) % 3, truth)
    clean, spoilt = (ordering.orders(Task.MULTICLASS, day, label.astype(float), score) for label in (truth, wrong))
    assert ordering.flipped(Task.MULTICLASS, clean, clean) == 0
    assert ordering.flipped(Task.MULTICLASS, spoilt, clean) == pytest.approx(0.25, abs=0.1)
    value = rng.normal(size=2000)
    noise = np.where(rng.random(2000) < 0.3, rng.normal(size=2000), value)
    clean, spoilt = (ordering.orders(Task.REGRESSION, day, label, value) for label in (value, noise))
    assert ordering.flipped(Task.REGRESSION, spoilt, clean) == pytest.approx(0.3, abs=0.05)


def copied(days):
    """Every other row of the `days` (0: the last) stands there once more, in another place."""

    def change(table: pa.Table) -> pa.Table:
        told = np.array(table.column("event_date").to_pylist())
        inside = np.isin([(told.max() - day).days for day in told], list(days))
        places = np.arange(len(table))
        places[inside] -= places[inside] % 2
        ids = table.column("row_id")
        return table.take(pa.array(places)).set_column(0, "row_id", ids)

    return change


@pytest.mark.parametrize("days", [None, range(2), range(4, 7), range(8)], ids=["none", "newest", "older", "all"])
def test_rows_that_came_twice(tmp_path, days):
    table = make(tmp_path, change=copied(days) if days else None)
    test = table.rows(table.days - 8)
    facts = copies.measure(test, COLUMNS, 3, table.rows().first)
    assert facts.before == 0
    assert (facts.share > 0.2) is (days is not None)
    assert gate._copies(facts, 0.05).passed is (days is None)


def test_what_cannot_be_told_passes_and_says_so(tmp_path):
    table = make(tmp_path)
    test = table.rows(table.days - 3)
    nobody = Seen(np.empty(0, np.int32), np.empty(0), np.empty(0, np.float32))
    order, usual, worst = poisoning.judged(Task.BINARY, [], 0.1, (nobody, nobody), (lambda: nobody, lambda: nobody))
    assert (order, usual, worst) == (None, 0.0, None)
    facts = Poisoning(test.first, test.last, 3, order, usual, worst, copies.measure(test, COLUMNS, 3, test.first))
    labels = gate._labels(facts, 0.1)
    assert labels.passed
    assert "cannot be checked" in labels.sentence


def test_rows_that_are_alike_by_nature_are_no_copies(tmp_path):
    table = make(tmp_path, change=lambda whole: whole.take(pa.array(np.arange(len(whole)) // 2 * 2)))
    facts = copies.measure(table.rows(table.days - 3), COLUMNS, 3, table.rows().first)
    assert min(facts.share, facts.before) > 0.4
    assert gate._copies(facts, 0.05).passed

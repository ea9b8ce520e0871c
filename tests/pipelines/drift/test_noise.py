"""The same distribution gives no effect, whatever the rows; another gives the same effect, whatever the rows."""

import numpy as np
import pytest
from scipy.stats import chi2

from pipelines.drift import noise
from pipelines.drift.noise import Spread, effect

TRIALS = 1000
SHAPES = {
    "even": np.ones(64) / 64,
    "skewed": np.random.default_rng(1).dirichlet(np.full(77, 0.3)),
    "long tail": 1 / np.arange(1, 130) / (1 / np.arange(1, 130)).sum(),
    "two values": np.array([0.2, 0.8]),
    "one rare": np.array([0.999, 0.001]),
}


@pytest.mark.parametrize("reference", [None, 80_000], ids=["as many", "90 days"])
@pytest.mark.parametrize("rows", [100, 10_000, 1_000_000])
@pytest.mark.parametrize("shape", SHAPES)
def test_the_same_distribution_gives_no_alarm(shape, rows, reference):
    random = np.random.default_rng(7)
    before = random.multinomial(reference or rows, SHAPES[shape], size=TRIALS)
    now = random.multinomial(rows, SHAPES[shape], size=TRIALS)
    effects = np.array([effect(p, q) for p, q in zip(before, now, strict=True)])
    assert (effects > 0).sum() <= 5
    assert (effects >= 0.1).sum() <= (1 if rows == 100 else 0)


@pytest.mark.parametrize("rows", [10_000, 1_000_000])
def test_another_distribution_gives_its_effect(rows):
    random = np.random.default_rng(7)
    before, now = SHAPES["even"], np.linspace(0.6, 1.4, 64) / 64
    sides = [random.multinomial(rows, share) for share in (before, now)]
    true = np.sqrt(noise.divergence(before, now))
    assert effect(*sides) == pytest.approx(true, rel=0.1)


def days(random, count, rows, share):
    """Days that each have a share of their own, (days, 2)."""
    own = np.clip(random.normal(share, 0.1, count), 0, 1)
    first = random.binomial(rows, own)
    return np.stack([first, rows - first], axis=1)


@pytest.mark.parametrize("rows", [200, 20_000])
def test_days_that_differ_among_themselves_are_no_drift(rows):
    random = np.random.default_rng(3)
    blind = seen = 0
    for _ in range(300):
        reference, week = days(random, 90, rows, 0.4), days(random, 7, rows, 0.4)
        blind += effect(reference.sum(axis=0), week.sum(axis=0)) > 0
        seen += effect(reference.sum(axis=0), week.sum(axis=0), reference) > 0
    assert seen <= 3
    assert blind > 50


def test_days_alike_are_as_rows_are():
    random = np.random.default_rng(3)
    counts = random.multinomial(500, SHAPES["even"], size=90)
    found = Spread.of_days(counts)
    assert found.total == pytest.approx(63, rel=0.1)
    assert found.squares == pytest.approx(63, rel=0.3)
    assert Spread.of_days(counts[:5]) == Spread.of_rows(counts[:5].sum(axis=0))


def test_a_week_unlike_all_days_is_drift():
    random = np.random.default_rng(3)
    reference, week = days(random, 90, 800, 0.4), days(random, 7, 800, 0.8)
    assert effect(reference.sum(axis=0), week.sum(axis=0), reference) > 0.2


def test_nothing_compared_with_anything_has_no_effect():
    assert effect(np.zeros(5), np.ones(5)) == effect(np.ones(5), np.zeros(5)) == 0.0
    assert effect(np.zeros(5), np.zeros(5)) == 0.0
    assert effect(np.zeros(5), np.ones(5), np.zeros((20, 5))) == 0.0


def test_the_order_of_categories_does_not_matter():
    p, q = np.arange(1, 60) ** 2, np.arange(1, 60)
    mixed = np.random.default_rng(3).permutation(len(p))
    assert effect(p, q, ordered=False) == pytest.approx(effect(p[mixed], q[mixed], ordered=False))


@pytest.mark.parametrize("degrees", [1, 2, 5, 63, 200.5])
def test_the_quantile_of_the_chi_square(degrees):
    assert noise._chi_square(degrees) == pytest.approx(chi2.ppf(1 - noise.RATE, degrees), rel=0.05)

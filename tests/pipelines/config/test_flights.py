"""The one real model declares what every family of gates can be asked about, by columns that it has."""

from __future__ import annotations

from pathlib import Path

import pytest

from pipelines.config import arithmetic
from pipelines.config.business import COUNTS
from pipelines.config.gates import Family, Mode
from pipelines.config.load import load_model

FOLDER = Path(__file__).parents[3] / "include" / "models" / "flights"


def test_flights_ask_about_worth_behaviour_and_fairness() -> None:
    model = load_model(FOLDER)
    rules, features = model.gates, (FOLDER / "features.py").read_text()
    named = [*rules.behaviour.direction, *rules.behaviour.invariance]
    assert rules.behaviour.direction
    assert rules.behaviour.invariance
    assert rules.fairness.attributes
    for column in [*(item.column for item in named), *rules.fairness.attributes]:
        assert f'"{column}"' in features
    assert rules.mode(Family.BEHAVIOUR) is Mode.ON
    assert rules.mode(Family.FAIRNESS) is Mode.DRY_RUN


def test_the_threshold_of_flights_is_where_their_sum_breaks_even() -> None:
    (rule,) = load_model(FOLDER).evaluation.business.values()
    share = rule.threshold
    counts = {"tp": share, "fp": 1 - share, "tn": 0.0, "fn": 0.0, "n": 1.0}
    assert arithmetic.value(arithmetic.parse(rule.expression, COUNTS), counts) == pytest.approx(0.0, abs=1e-9)

"""Replay is the product's own recipe: retraining, gates and nights are those of a real run and real nights."""

from __future__ import annotations

import json

import numpy as np
import pytest
from stories import AS_OF

from pipelines.config.policy import DriftRule, Policy
from pipelines.replay.drifting import Drifts
from pipelines.replay.gates import refusal
from pipelines.replay.run import evidence


@pytest.fixture(scope="session")
def run(past):
    """The real run's files by name."""
    ledger, report = past.there.ledger(), past.there.story.reports[0]
    head = ledger.head(f"runs/{report['run']}")

    def read(path: str):
        return json.loads(ledger.read(head, path))

    return read


def test_the_trial_is_the_runs(past, run) -> None:
    metrics, _, _ = past.world.judged(past.day(AS_OF))
    assert metrics == run("out/evaluate/metrics.json")["challenger"]


def test_the_agreement_is_the_runs(past, run) -> None:
    mean, largest, rows = past.world.fit(past.day(AS_OF)).facts["agreement"]
    assert {"mean": mean, "max": largest, "rows": rows} == run("out/evaluate/metrics.json")["agreement"]


def test_the_nights_performance_is_the_products(past) -> None:
    drifts = Drifts(past.world)
    for number, seen in enumerate(past.nights):
        day = past.day(AS_OF + 1 + number)
        mine = evidence(drifts, past.day(AS_OF), 1, day, Policy())
        assert [item.day for item in mine.performance] == [item.day for item in seen.performance]
        for ours, theirs in zip(mine.performance, seen.performance, strict=True):
            assert ours.rows == theirs.rows
            assert ours.loss == pytest.approx(theirs.loss, rel=1e-6)
            assert ours.estimated_loss == pytest.approx(theirs.estimated_loss, rel=1e-6)
            assert ours.score_mean == pytest.approx(theirs.score_mean, rel=1e-6)
            assert ours.baseline_loss == pytest.approx(theirs.baseline_loss, rel=1e-6)
        assert mine.age_days == seen.age_days
        assert (mine.new_rows, mine.needed_rows) == (seen.new_rows, seen.needed_rows)
        assert mine.reference == pytest.approx(seen.reference)
        assert mine.champion.trained_rows == seen.champion.trained_rows


def test_where_no_gate_is_asked_none_needs_rows(past) -> None:
    day = past.day(AS_OF)
    assert evidence(Drifts(past.world), day, 1, past.day(AS_OF + 1), Policy()).needed_rows > 0
    assert evidence(Drifts(past.world), day, 1, past.day(AS_OF + 1), Policy(), gated=False).needed_rows == 0


def test_unseen_values_are_the_products(past) -> None:
    drifts = Drifts(past.world)
    found = drifts.facts(past.day(AS_OF), past.day(AS_OF + 3), DriftRule(what="unseen"))
    theirs = {column.name: column.unseen_share for column in past.nights[2].drift.columns}
    assert {column.name: column.unseen_share for column in found.columns} == {
        name: share for name, share in theirs.items() if name in {column.name for column in found.columns}
    }


def test_drift_in_full(past) -> None:
    found = Drifts(past.world).facts(past.day(AS_OF), past.day(AS_OF + 3), DriftRule())
    theirs = past.nights[2].drift
    assert {column.name for column in found.columns} == {column.name for column in theirs.columns}
    assert found.score == pytest.approx(theirs.score, abs=0.05)
    assert found.label is not None
    assert found.prediction is not None


def test_labels_come_when_they_mature(past) -> None:
    day = past.day(AS_OF + 4)
    found = evidence(Drifts(past.world), past.day(AS_OF), 1, day, Policy())
    assert [item.day for item in found.performance] == [past.day(AS_OF + number) for number in (1, 2, 3)]
    night = evidence(Drifts(past.world), past.day(AS_OF), 1, past.day(AS_OF + 1), Policy())
    assert night.performance == ()


def test_the_gates_ask_for_unseen_rows(past) -> None:
    told = refusal(past.world, past.day(AS_OF + 1), past.day(AS_OF))
    assert told is None  # one day of the tiny model has enough rows
    model = past.world.model
    strict = model.model_copy(
        update={
            "gates": model.gates.model_copy(
                update={"champion": model.gates.champion.model_copy(update={"min_rows": 10_000})}
            )
        }
    )
    past.world.model = strict
    try:
        assert "10,000 are needed" in refusal(past.world, past.day(AS_OF + 1), past.day(AS_OF))
    finally:
        past.world.model = model


def test_scores_are_finite_and_in_the_tables_order(past) -> None:
    label, score = past.world.scores(past.day(AS_OF), past.day(AS_OF + 1), past.day(AS_OF + 2))
    assert len(label) == len(score) == 240
    assert np.isfinite(score).all()
    assert past.world.rows(past.day(0), past.day(39)) == int(np.isfinite(past.world._labels).sum())

"""Walk-forward folds and the search over them."""

from __future__ import annotations

import json
from datetime import timedelta
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest
from feature_tables import START, FeatureTable, params

from pipelines.config.model import Booster, Hpo, Training
from pipelines.engines import search as module
from pipelines.engines.rows import Rows
from pipelines.engines.search import Found, folds, sampling, search
from pipelines.errors import DataError

QUIET: Any = lambda _: None  # noqa: E731


def days(rows: Rows) -> tuple[int, int]:
    return (rows.first - START).days, (rows.last - START).days


def walk(count: int, *, length: int = 40, gap: int = 0) -> list[tuple[tuple[int, int], tuple[int, int]]]:
    table = FeatureTable(Path("nowhere"), length)
    span = params(table, gap=gap).span
    rows = Rows(table.data, span.train_start, span.train_end)
    return [(days(fold.train), days(fold.validation)) for fold in folds(rows, span, count)]


def test_folds_walk_forward_to_the_end_of_training() -> None:
    assert walk(3) == [((0, 19), (20, 24)), ((0, 24), (25, 29)), ((0, 29), (30, 34))]


def test_the_gap_is_kept_between_fitting_and_judging() -> None:
    assert walk(2, gap=3) == [((0, 18), (22, 26)), ((0, 23), (27, 31))]


def test_few_days_make_short_folds_and_too_few_none() -> None:
    assert walk(6, length=19) == [((0, last), (last + 1, last + 2)) for last in range(1, 13, 2)]
    with pytest.raises(DataError, match="14 training days are too few for 10 folds with a gap of 4"):
        walk(10, length=23, gap=4)


def test_folds_are_sampled_beyond_the_memory_meant_for_them() -> None:
    assert sampling(300_000, 30, 3) == 1
    assert sampling(10_000_000, 40, 3) == 5


def judged(trials: int, *, timeout: int = 60, **booster: Any) -> Found:
    def on_fold(training: Training, fold: int) -> tuple[float, int]:
        setting = training.booster
        return abs(setting.learning_rate - 0.1) + 0.01 * abs(setting.max_depth - 4) + fold * 0.1, fold + 1

    training = Training(hpo=Hpo(trials=trials, folds=3, timeout_seconds=timeout), booster=Booster(**booster))
    return search(training, 3, on_fold, QUIET)


def test_the_search_is_logged_prunes_and_is_the_same_twice() -> None:
    found = judged(12)
    log = found.log
    assert log == judged(12).log == json.loads(json.dumps(log))
    assert [entry["number"] for entry in log["trials"]] == list(range(12))
    pruned = [entry for entry in log["trials"] if entry["state"] == "pruned"]
    assert pruned
    assert all(len(entry["losses"]) < 3 for entry in pruned)
    complete = [entry for entry in log["trials"] if entry["state"] == "complete"]
    assert all(entry["rounds"] == [1, 2, 3] for entry in complete)
    best = min(complete, key=lambda entry: sum(entry["losses"]))
    assert best["number"] == log["best"]
    assert found.training.booster.learning_rate == best["params"]["learning_rate"]


def test_three_trials_are_enough_to_prune() -> None:
    log = judged(3, learning_rate=0.1, max_depth=4).log
    assert [entry["state"] for entry in log["trials"]] == ["complete", "pruned", "pruned"]
    assert log["best"] == 0


def test_the_declared_setting_is_tried_first_and_the_rest_of_training_stays() -> None:
    found = judged(2, learning_rate=0.03, min_child_weight=0.0, reg_lambda=0.0, subsample=0.3)
    first = found.log["trials"][0]["params"]
    assert (first["learning_rate"], first["min_child_weight"], first["reg_lambda"], first["subsample"]) == (
        0.03,
        0,
        0,
        0.3,
    )
    assert found.training.hpo.trials == 2


@pytest.mark.parametrize(
    "booster", [{"learning_rate": 1.0, "max_depth": 16}, {"max_depth": 1, "min_child_weight": 1e6}]
)
def test_settings_at_the_bounds_can_be_searched_around(booster: dict[str, Any]) -> None:
    assert len(judged(6, **booster).log["trials"]) == 6


def test_time_up_ends_the_search_with_at_least_one_trial(monkeypatch: pytest.MonkeyPatch) -> None:
    clock = iter(range(0, 10**6, 40))
    monkeypatch.setattr(module, "time", SimpleNamespace(monotonic=lambda: float(next(clock))))
    log = judged(20, timeout=60).log
    assert log["trials"][0]["state"] == "complete"
    assert len(log["trials"]) < 20
    assert log["best"] == 0


def test_folds_keep_their_sample(tmp_path: Path) -> None:
    table = FeatureTable(tmp_path, 40)
    span = params(table).span
    rows = Rows(table.data, span.train_start, span.train_end, every=4)
    assert {fold.train.every for fold in folds(rows, span, 2)} == {4}
    assert folds(rows, span, 2)[-1].validation.last == START + timedelta(days=34)

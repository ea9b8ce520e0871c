"""The facts of a run as its files would tell them to its model card, without a run."""

from __future__ import annotations

from datetime import date, timedelta

import yaml
from support import MODEL_YAML

from pipelines.card.facts import Facts
from pipelines.card.measure import Spread
from pipelines.config.model import Model
from pipelines.config.params import RunParams
from pipelines.drift.compare import ColumnDrift
from pipelines.drift.rank import Ranked
from pipelines.storage.model_file import Feature, Signature

SHA = "a" * 64
SPREAD = {"p50": 0.2, "p99": 0.41, "cpu_p50": 0.19, "cpu_p99": 0.39}
COST = {
    "training": {"seconds": 3.21, "rows": 120_000, "rounds": 58, "rows_per_second": 37_383},
    "serving": {
        "load_seconds": 0.05,
        "row_ms": SPREAD,
        "batch_ms": SPREAD | {"rows": 1000},
        "rows_per_second": 412_345,
    },
}
METRICS = {"auc": 0.8, "pr_auc": 0.7, "log_loss": 0.45, "brier": 0.15, "calibration_error": 0.04}


def gate(name, passed=True, mode="on", **more):
    base = {"name": name, "passed": passed, "mode": mode, "observed": 0.41, "threshold": 0.5, "interval": None}
    return base | {"evidence": {}, "sentence": f"what {name} says"} | more


def make_facts(results=(), **model):
    config = Model.model_validate(yaml.safe_load(MODEL_YAML) | model)
    params = RunParams.of("tiny", config, date(2024, 1, 31))
    partition = {"table": "orders", "partition": "2024-01-31", "rows": 120, "revision": 3, "sha256": "b" * 64}
    measured = {"challenger": METRICS, "baseline": METRICS | {"auc": 0.75}, "test": {"rows": 600, "days": ["a", "b"]}}
    ranked = [{"feature": "distance", "share": 0.7}, {"feature": "shop", "share": 0.3}]
    slices = [
        {"column": "shop", "values": [{"value": "north", "rows": 90, "challenger": METRICS}], "left_out": _none()}
    ]
    release = {"rows": 2911, "days": ["2024-01-06", "2024-01-30"]}
    return Facts(
        version=7,
        run="2024-01-31-20260101T000000Z-abcdef",
        commit="c" * 40,
        model=config,
        params=params,
        signature=Signature(
            task=params.task,
            features=(Feature(name="distance", kind="number"), Feature(name="shop", kind="category")),
            vocabularies={"shop": ("(unknown)", "north")},
            label="delay > 15",
            seed=1,
            xgboost="3.2.0",
            features_sha256=SHA,
            model_sha256=SHA,
            trial_sha256=SHA,
        ),
        found={
            "window": {"partitions": [partition], "missing": [], "quarantined": []},
            "code": {"git_sha": "d" * 40, "image_digest": None, "lock_sha256": SHA},
            "run": {"request": {"data_commit": "e" * 40, "caller": "", "note": "<b>spring</b>"}},
            "standing": {"champion": None},
            "validation": {"checks": [{"passed": True}]},
            "training": {"rounds": 58, "release": release, "training": {"seed": 1, "booster": {"max_depth": 3}}},
            "gates": {"gates": list(results)},
            "metrics": measured,
            "slices": {"columns": slices, "models": ["challenger"], "rows": 600},
            "schema": {"rows": 3511, "digest": "f" * 64},
            "cost": {},
            "importance": {"rows": 200, "features": ranked},
        },
        calibration=((0.1, 0.12, 300), (0.6, 0.55, 300)),
        window_sha256=SHA,
        features_sha256=SHA,
    )


def _none():
    return {"values": 2, "rows": 9}


def make_drift(name="distance", effect=0.2, importance=0.7):
    drift = ColumnDrift(name, "number", 0.3, 0.1, 0.2, 0.0, 0.0, effect, 1000, 600)
    return Ranked(drift, importance)


def make_spread():
    """Five days of test rows."""
    days = tuple((date(2024, 1, 26) + timedelta(days=n), 0.4 + n / 100) for n in range(5))
    intervals = {name: (value - 0.02, value + 0.02) for name, value in METRICS.items()}
    return Spread(600, 5, intervals | {"brier": None}, days)

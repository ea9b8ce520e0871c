"""Small feature tables as the features stage writes them, and the parameters of a run that trains on one."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from datetime import date, timedelta
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa

from pipelines.config.params import RunParams
from pipelines.engines.columns import Columns
from pipelines.engines.rows import Rows
from pipelines.storage import files, parquet
from pipelines.storage.model_file import Feature, Signature

START = date(2024, 1, 20)
EPOCH = date(1970, 1, 1)
FEATURES = (
    Feature(name="speed", kind="number"),
    Feature(name="place", kind="category"),
    Feature(name="noise", kind="number"),
    Feature(name="count", kind="number"),
)
COLUMNS = Columns(FEATURES, {"place": ("(unknown)", "east", "north", "west")})
Change = Callable[[pa.Table], pa.Table]


@dataclass(frozen=True)
class FeatureTable:
    """`days` days from START below `root`/out/features."""

    root: Path
    days: int

    @property
    def data(self) -> Path:
        return self.root / "out" / "features" / "data"

    def rows(self, first: int = 0, last: int | None = None, **more: Any) -> Rows:
        """The rows of days `first` to `last` (counted from START)."""
        end = self.days - 1 if last is None else last
        return Rows(self.data, START + timedelta(days=first), START + timedelta(days=end), **more)


def make(
    root: Path, *, task: str = "binary", days: int = 40, rows: int = 60, change: Change | None = None
) -> FeatureTable:
    """A table whose label depends on `speed` and `place`; `change` may spoil a month's table before it is written."""
    rng = np.random.default_rng(7)
    parts = [_day(rng, START + timedelta(days=number), rows, task) for number in range(days)]
    whole = pa.concat_tables(parts)
    months = np.array([f"{value:%Y-%m}" for value in whole.column("event_date").to_pylist()])
    for month in sorted(set(months)):
        table = whole.filter(pa.array(months == month))
        path = root / "out" / "features" / "data" / f"{month}.parquet"
        parquet.write_table(path, change(table) if change else table, row_group_rows=700)
    schema = {
        "features": [item.model_dump() for item in FEATURES],
        "sha256": "f" * 64,
        "rows": len(whole),
        "digest": "d",
    }
    files.write_json(root / "out" / "features" / "schema.json", schema)
    return FeatureTable(root, days)


def params(table: FeatureTable, *, task: str = "binary", gap: int = 0, **training: Any) -> RunParams:
    """The run that tests on the last 5 days, stops early on the 5 before them and trains on all the others."""
    test_start = START + timedelta(days=table.days - 5)
    train_end = test_start - timedelta(days=1 + gap)
    small = {"rounds": 60, "early_stopping_rounds": 5, "threads": 1, "min_category_rows": 5}
    return RunParams.model_validate(
        {
            "model": "tiny",
            "task": task,
            "span": {
                "as_of": START + timedelta(days=table.days),
                "first": START,
                "train_start": START,
                "train_end": train_end,
                "validation_start": train_end - timedelta(days=4),
                "test_start": test_start,
                "test_end": START + timedelta(days=table.days - 1),
                "min_rows": 10,
            },
            "tables": {"orders": {"role": "events", "uri": "o/{date}.parquet", "key": ["id", "at"], "time": "at"}},
            "label": {"expression": "late", "classes": ["low", "mid", "high"] if task == "multiclass" else []},
            "validation": {},
            "training": small | training,
            "evaluation": {},
            "gates": {},
        }
    )


def signature(**changes: Any) -> Signature:
    """A signature of a binary model on the table's columns."""
    said: dict[str, Any] = {
        "task": "binary",
        "features": FEATURES,
        "vocabularies": dict(COLUMNS.vocabularies),
        "label": "late",
        "seed": 2013,
        "xgboost": "3",
        "features_sha256": "f" * 64,
        "model_sha256": "0" * 64,
        "trial_sha256": "0" * 64,
    }
    return Signature.model_validate(said | changes, strict=False)


def _day(rng: np.random.Generator, day: date, rows: int, task: str) -> pa.Table:
    speed = rng.normal(size=rows)
    place = rng.choice(["north", "east", "west", "rare"], rows, p=[0.4, 0.3, 0.28, 0.02])
    score = speed + (place == "west") * 1.5 + rng.normal(size=rows)
    label = {
        "binary": (score > 0.5).astype(float),
        "multiclass": np.digitize(score, [-0.3, 1.0]).astype(float),
        "regression": score,
    }[task]
    matured = rng.random(rows) > 0.03
    base = (day - EPOCH).days * 10**8
    return pa.table(
        {
            "row_id": pa.array(np.arange(base, base + rows)),
            "event_date": pa.array([day] * rows, pa.date32()),
            "label": pa.array(label, mask=~matured),
            "speed": pa.array(speed, mask=rng.random(rows) < 0.05),
            "place": pa.array(place, mask=rng.random(rows) < 0.02),
            "noise": pa.array(rng.normal(size=rows).astype(np.float32)),
            "count": pa.array(rng.integers(0, 9, rows)),
        }
    )

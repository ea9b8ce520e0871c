"""A small model made in memory, and a way to write its expectations."""

from datetime import date
from pathlib import Path

import pyarrow as pa
import pytest

from pipelines.config.model import Model
from pipelines.quality.suite import Suite

DAY = date(2013, 3, 9)
MODEL = {
    "title": "t",
    "owner": "o",
    "task": "binary",
    "schedule": {"start": "2013-01-01"},
    "tables": {
        "trips": {
            "role": "events",
            "uri": "trips/{date}.parquet",
            "key": ["id"],
            "time": "at",
            "time_zone": "America/New_York",
            "after_event": ["late"],
        },
        "places": {"role": "static", "uri": "places.parquet", "key": ["id"]},
    },
    "label": {"expression": "late > 10"},
}


@pytest.fixture
def model():
    return Model.model_validate(MODEL)


@pytest.fixture
def suite_of(tmp_path: Path):
    """A function that writes rules of table `trips` (lines of YAML) and loads the suite."""

    def made(model: Model, *rules: str) -> Suite:
        lines = ["trips:", *(f"  - {rule}" for rule in rules)] if rules else ["trips: []"]
        (tmp_path / "expectations.yaml").write_text("\n".join(lines) + "\n")
        return Suite.load(tmp_path, model)

    return made


@pytest.fixture
def trips():
    """A function that gives a good partition of `DAY`, with some columns replaced."""

    def made(rows: int = 10, **columns: object) -> pa.Table:
        good = {
            "id": list(range(rows)),
            "at": pa.array([1362850000 + 60 * n for n in range(rows)], pa.timestamp("s", "UTC")),  # 12:26 in New York
            "km": [float(n) for n in range(rows)],
            "late": [n * 4 for n in range(rows)],
        }
        return pa.table(good | columns)

    return made

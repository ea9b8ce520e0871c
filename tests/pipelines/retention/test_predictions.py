"""Files of predictions: found, told to be old by the data's clock, and removed, in a folder as on S3."""

from __future__ import annotations

from collections.abc import Callable
from datetime import date, timedelta
from pathlib import Path

import pytest

from pipelines.config.settings import Settings
from pipelines.retention import predictions
from pipelines.retention.predictions import Found

NEWEST = date(2024, 3, 1)
RUN = "2024-01-20-20260101T000000Z-abcdef"
AT_THE_LIMIT, OLD = (f"date={NEWEST - timedelta(days=age)}/version-1.parquet" for age in (30, 31))
SAMPLE = f"reference/{RUN}.parquet"


def in_folder(settings: Settings, name: str) -> None:
    path = Path(settings.predictions) / "tiny" / name
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_bytes(b"rows")


@pytest.fixture(params=["folder", "s3"])
def place(request: pytest.FixtureRequest, settings: Settings) -> tuple[Settings, Callable[[str], None]]:
    """Settings, and what puts a file of predictions there."""
    if request.param == "folder":
        return settings, lambda name: in_folder(settings, name)
    buckets = request.getfixturevalue("buckets")
    return buckets.settings, lambda name: buckets.put(
        buckets.at("tiny", *name.split("/"), setting="predictions"), b"rows"
    )


def test_what_has_outlived_its_days_goes_and_nothing_else(place) -> None:
    settings, put = place
    for name in (AT_THE_LIMIT, OLD, SAMPLE, "notes.txt"):
        put(name)
    found = list(predictions.files(settings, "tiny"))
    assert sorted(item.name for item in found) == sorted([AT_THE_LIMIT, OLD, SAMPLE])
    old = predictions.outlived(found, NEWEST, 30, ())
    assert [item.name for item in old] == [OLD]
    assert [item.name for item in predictions.outlived(found, NEWEST, 30, {RUN})] == [OLD, SAMPLE]
    assert predictions.outlived(found, None, 30, ()) == [], "no day is old without data"
    predictions.remove(settings, "tiny", old)
    predictions.remove(settings, "tiny", [Found("date=2020-01-01/gone.parquet", 1), *old])
    assert sorted(item.name for item in predictions.files(settings, "tiny")) == sorted([AT_THE_LIMIT, SAMPLE])

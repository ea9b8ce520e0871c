"""Data files for drafts: three kinds of labels over sixty days, and what a draft of any of them must stand."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from datetime import UTC, date, datetime, timedelta
from pathlib import Path

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc
import pyarrow.parquet as pq

from pipelines.authoring.new import Report, draft
from pipelines.authoring.source import Request
from pipelines.config.load import load_model
from pipelines.config.model import Model, Task
from pipelines.config.params import RunParams
from pipelines.config.settings import Settings

DAYS, ROWS = 60, 150
FIRST, LAST = date(2024, 1, 1), date(2024, 2, 29)
MIDNIGHT = int(datetime(2024, 1, 1, tzinfo=UTC).timestamp())


def columns(random: np.random.Generator, days: int = DAYS, rows: int = ROWS) -> dict[str, pa.Array]:
    """Columns that every data set here has: an event time, two categories, two numbers, a flag, an earlier time."""
    count = days * rows
    at = (MIDNIGHT + np.sort(random.integers(0, days * 86400, count))) * 1_000_000
    return {
        "at": pa.array(at, pa.timestamp("us", tz="UTC")),
        "shop": pa.array(random.choice(["north", "south", "east", "west"], count).tolist()),
        "product": pa.array(random.choice(["bread", "cake", "yes"], count).tolist(), mask=random.random(count) < 0.02),
        "distance": pa.array(random.gamma(2.0, 2.5, count).round(2)),
        "price": pa.array(random.lognormal(2, 1, count).round(2), mask=random.random(count) < 0.1),
        "member": pa.array(random.random(count) < 0.3),
        "joined": pa.array(at - random.integers(3, 900, count) * 86_400_000_000, pa.timestamp("us")),
        "remark": pa.array([f"remark {number}" for number in random.integers(0, 9000, count)]),
    }


def signal(data: dict[str, pa.Array], random: np.random.Generator) -> np.ndarray:
    """What the labels are made of: about two units wide, a third of it noise."""
    shop, distance = np.array(data["shop"].to_pylist()), data["distance"].to_numpy()
    member = data["member"].to_numpy(zero_copy_only=False)
    week = np.sin(np.arange(len(shop)) / ROWS * 2 * np.pi / 7) / 2
    return 0.35 * (distance - 5) - 1.2 * member + 1.2 * (shop == "north") + week + random.normal(0, 0.8, len(shop))


def binary(random: np.random.Generator) -> pa.Table:
    """Late or on time, 3% unknown, with an id and a column that gives the label away."""
    data = columns(random)
    score = signal(data, random)
    late = np.where(score > 0.9, "late", "on time").tolist()
    return pa.table(
        {"order_id": [f"o{number:06d}" for number in range(len(score))]}
        | data
        | {"minutes": score.round(2), "outcome": pa.array(late, mask=random.random(len(score)) < 0.03)}
    )


def multiclass(random: np.random.Generator) -> pa.Table:
    """Three classes in a column called `label`, times in another zone and unit."""
    data = columns(random)
    score = signal(data, random)
    data["label"] = pa.array(np.array(["it's bad", "fair", "good"])[np.digitize(score, [-0.6, 0.6])].tolist())
    # The same clock an hour to the east: the days are the same, of another zone.
    an_hour = pa.scalar(3_600_000_000, pa.duration("us"))
    data["at"] = (
        pc.subtract(data["at"], an_hour)
        .cast(pa.timestamp("us", tz="Europe/Berlin"))
        .cast(pa.timestamp("ms", tz="Europe/Berlin"), safe=False)
    )
    return pa.table(data)


def regression(random: np.random.Generator) -> pa.Table:
    """A number under a name that YAML may not have, days as text, a numeric code."""
    data = columns(random)
    score = signal(data, random) * 1000
    days = [str(FIRST + timedelta(days=number // ROWS)) for number in range(len(score))]
    return pa.table({"day of sale": days, "store_id": random.integers(1, 9, len(score)), **data, "Umsatz €": score})


@dataclass(frozen=True)
class Case:
    """A data set and how it is drafted."""

    name: str
    make: Callable[[np.random.Generator], pa.Table]
    label: str
    time: str
    task: Task


CASES = (
    Case("orders", binary, "outcome", "at", Task.BINARY),
    Case("ratings", multiclass, "label", "at", Task.MULTICLASS),
    Case("sales", regression, "Umsatz €", "day of sale", Task.REGRESSION),
)


def write(data: pa.Table, path: Path) -> Path:
    """Put `data` at `path` as any tool would."""
    path.parent.mkdir(parents=True, exist_ok=True)
    pq.write_table(data, path)
    return path


def drafted(
    settings: Settings,
    data: pa.Table,
    path: Path,
    *,
    name: str = "draft",
    label: str = "y",
    time: str = "at",
    time_format: str = "",
    task: Task | None = None,
) -> tuple[Report, Model]:
    """The report on a draft from `data`, and the model as the framework reads it."""
    report = draft(settings, name, Request(write(data, path), label, time, time_format), lambda _: None, task)
    return report, load_model(settings.models / name)


def partitions(settings: Settings, table: str) -> list[tuple[date, Path]]:
    """The days and files of a table in the lake."""
    return [(date.fromisoformat(path.stem), path) for path in sorted((Path(settings.lake) / table).iterdir())]


def unaccepted(settings: Settings, name: str, *, warnings: bool = True) -> list[str]:
    """Whatever validation has to say of the draft's partitions, or just the reasons against them."""
    from pipelines.quality.suite import Suite
    from pipelines.quality.verdict import judge_many

    model = load_model(settings.models / name)
    suite = Suite.load(settings.models / name, model)
    days = ((day, pq.read_table(path)) for day, path in partitions(settings, model.events))
    found = [
        (*verdict.reasons, *(verdict.warnings if warnings else ()))
        for verdict in judge_many(suite, model.events, days, model)
    ]
    return [sentence for sentences in found for sentence in sentences]


def feature_table(settings: Settings, name: str, scratch: Path, as_of: date = LAST) -> pa.Table:
    """The feature table of the draft over its training and test days, labels included."""
    from pipelines.engines.frame import open_frame
    from pipelines.engines.local import connect
    from pipelines.engines.sources import SourceFile

    model = load_model(settings.models / name)
    params = RunParams.of(name, model, as_of)
    files = [
        SourceFile(model.events, day, path, pq.read_metadata(path).num_rows)
        for day, path in partitions(settings, model.events)
    ]
    with connect(scratch) as connection:
        frame = open_frame(connection, params, files, settings.models / name / "features.py")
        return frame.table(params.span.train_start, params.span.test_end, label=True)

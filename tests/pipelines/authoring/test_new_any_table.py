"""Drafts of tables that nobody chose: columns of any kind and name, by several writers, go through without a hand."""

from __future__ import annotations

import tempfile
from collections.abc import Callable
from dataclasses import dataclass, replace
from datetime import UTC, date, datetime, timedelta
from decimal import Decimal
from pathlib import Path
from typing import Any

import duckdb
import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from drafting import feature_table, unaccepted
from hypothesis import HealthCheck, example, given
from hypothesis import settings as profile
from hypothesis import strategies as st

from pipelines.authoring.new import draft
from pipelines.authoring.source import Request
from pipelines.config.load import load_model
from pipelines.config.settings import Settings
from pipelines.engines.sources import folded

pytestmark = pytest.mark.filterwarnings("ignore:fetch_arrow_table:DeprecationWarning")

DAYS, ROWS = 40, 3
N = DAYS * ROWS
START = datetime(2024, 2, 1, tzinfo=UTC)
Values = Callable[[np.random.Generator], pa.Array]


def picked(values: list[Any], kind: pa.DataType | None = None) -> Values:
    """A column of some of `values`."""
    return lambda random: pa.array([values[place] for place in random.integers(0, len(values), N)], kind)


def gappy(make: Values) -> Values:
    """The column with a fifth of its values null."""
    return lambda random: pa.array(make(random).to_pylist(), make(random).type, mask=random.random(N) < 0.2)


def whole(kind: pa.DataType, high: int) -> Values:
    """Whole numbers of one width."""
    return lambda random: pa.array(random.integers(0, high, N)).cast(kind)


def moments(kind: pa.DataType) -> Values:
    """Times some days before the events, or after them."""
    return lambda random: pa.array(
        [START + timedelta(days=n // ROWS - int(days)) for n, days in enumerate(random.integers(-1, 9, N))],
        pa.timestamp("us", "UTC"),
    ).cast(kind, safe=False)


KINDS: dict[str, Values] = {
    **{f"{name}": whole(pa.type_for_alias(name), 100) for name in ("int8", "uint8", "int16", "uint32", "int64")},
    "uint64 beyond int64": picked([2**64 - 1, 2**63, 5], pa.uint64()),
    "large whole": picked([2**60 + n for n in range(50)]),
    "float16": lambda random: pa.array(random.random(N).astype("float16")),
    "float32": lambda random: pa.array(random.random(N).astype("float32")),
    "float64": lambda random: pa.array(random.normal(size=N)),
    "nan": picked([float("nan"), 1.5, 2.5, 3.25]),
    "huge": picked([1e300, -1.7e308, 3.0]),
    "whole floats": picked([1.0, 2.0, float("nan"), 7.0]),
    "decimal": picked([Decimal("1.25"), Decimal("-9.99")], pa.decimal128(12, 2)),
    "whole decimal": picked([Decimal(n) for n in range(9)], pa.decimal128(38, 0)),
    "endless decimal": picked([Decimal(10**30 + n) for n in range(9)], pa.decimal128(38, 0)),
    "text": picked(["a", "b", "c"]),
    "odd text": picked(["No", "null", "12:30", "030", "", " ", "é\n", "'", '"', "价格"]),
    "free text": lambda random: pa.array([f"{'lorem ' * 30}{n}" for n in random.integers(0, 10**9, N)]),
    "unique text": lambda random: pa.array([f"k{n}" for n in random.permutation(N)]),
    "dictionary": lambda random: picked(["x", "y"])(random).dictionary_encode(),
    "large text": picked(["x", "y"], pa.large_string()),
    "flag": picked([True, False]),
    "constant": picked([7]),
    "null": lambda _: pa.nulls(N),
    "typed null": lambda _: pa.nulls(N, pa.float64()),
    "date": moments(pa.date32()),
    "timestamp": moments(pa.timestamp("ns")),
    "zoned": moments(pa.timestamp("ms", "Asia/Tokyo")),
    "time": picked([3600, 7200], pa.time32("s")),
    "duration": picked([10, 20], pa.duration("us")),
    "binary": picked([b"\xff\x00", b"a"], pa.binary()),
}
LABELS: dict[str, Values] = {
    "flag": picked([True, False]),
    "late flag": picked([True, False, None]),
    "float flag": picked([0.0, 1.0, float("nan")]),
    "decimal flag": picked([Decimal(0), Decimal(1)], pa.decimal128(38, 0)),
    "yes and no": picked(["Yes", "No"]),
    "answers": picked(["Yes", "No", "Maybe", "null"]),
    "count": lambda random: pa.array(random.poisson(4.0, N)),
    "wide": lambda random: pa.array(random.normal(0, 2e10, N)),
    "int8 classes": picked([1, 2, 3], pa.int8()),
}
TIMES: dict[str, Values] = {
    "naive": lambda _: pa.array(AT, pa.timestamp("us")),
    "utc": lambda _: pa.array(AT, pa.timestamp("ns", "UTC")),
    "zoned": lambda _: pa.array(AT, pa.timestamp("ms", "America/New_York")),
    "date": lambda _: pa.array([moment.date() for moment in AT], pa.date32()),
    "text": lambda _: pa.array([f"{moment:%Y-%m-%d %H:%M}" for moment in AT]),
}
AT = [START + timedelta(hours=24 * number / ROWS) for number in range(N)]
WORDS = ["No", "on", "null", "label", "row_id", "event_date", "Event_Date", "filename", "hour", "day_of_week", "_day",
         "_n", "rate_all_7d", "count_all_7d", "events", "select", "__index_level_0__", "price €", "a<b", "x[1]", "a.b",
         'a"b', "a,b", "{x}", "%", "# c", "customer_id", "No.", "价格", " lead", "as_of", "rows", "TIMES"]  # fmt: skip
names = st.one_of(st.sampled_from(WORDS), st.text(min_size=1, max_size=12))


@dataclass(frozen=True)
class Drawn:
    """A table to be drafted: names and kinds of its columns, label, time, and who writes it."""

    columns: tuple[tuple[str, str], ...]
    label: tuple[str, str]
    time: tuple[str, str]
    writer: str
    seed: int = 0

    def table(self) -> pa.Table:
        """Its rows; of the drawn names only those that SQL tells from the ones before."""
        random = np.random.default_rng(self.seed)
        parts = [(self.time[0], TIMES[self.time[1]]), (self.label[0], LABELS[self.label[1]])]
        parts += [(name, KINDS[kind]) for name, kind in self.columns]
        seen: dict[str, pa.Array] = {}
        for name, make in parts:
            if folded(name) not in {folded(other) for other in seen}:
                seen[name] = make(random)
        return pa.table(seen)


def by_arrow(data: pa.Table, path: Path) -> None:
    """As pyarrow writes it, pages of the second version, text delta-encoded."""
    pq.write_table(data, path, data_page_version="2.0", use_dictionary=False, version="2.6")


def by_old_arrow(data: pa.Table, path: Path) -> None:
    """As Arrow of old and Spark write it."""
    pq.write_table(data, path, data_page_version="1.0", use_deprecated_int96_timestamps=True)


def by_pandas(data: pa.Table, path: Path) -> None:
    """With an index of rows that were left out, as pandas has it after a filter."""
    frame = data.to_pandas()
    frame.index = frame.index + 5
    frame.to_parquet(path)


def by_duckdb(data: pa.Table, path: Path) -> None:
    """As DuckDB writes it."""
    with duckdb.connect() as session:
        session.register("data", data)
        session.execute("COPY data TO ? (FORMAT parquet)", [str(path)])


WRITERS = {"arrow": by_arrow, "old arrow": by_old_arrow, "pandas": by_pandas, "duckdb": by_duckdb}
# DuckDB has no half floats; neither it nor pandas keeps columns without a type; none but Arrow writes durations.
FOREIGN = {"pandas": {"duration"}, "duckdb": {"float16", "duration", "null"}, "old arrow": {"duration"}}
drawn = st.builds(
    Drawn,
    columns=st.lists(st.tuples(names, st.sampled_from(sorted(KINDS))), max_size=10).map(tuple),
    label=st.tuples(st.sampled_from(["y", "label", "No", "Größe", "y z"]), st.sampled_from(sorted(LABELS))),
    time=st.tuples(st.sampled_from(["at", "event_date", "when?"]), st.sampled_from(sorted(TIMES))),
    writer=st.sampled_from(sorted(WRITERS)),
    seed=st.integers(0, 99),
)
EVERYTHING = tuple((f"c {kind}", kind) for kind in KINDS)
ODD_NAMES = tuple((name, list(KINDS)[place % len(KINDS)]) for place, name in enumerate(WORDS))


@profile(max_examples=8, deadline=None, suppress_health_check=list(HealthCheck))
@given(drawn)
@example(Drawn(EVERYTHING, ("y", "decimal flag"), ("at", "zoned"), "arrow"))
@example(Drawn(EVERYTHING, ("y", "answers"), ("at", "utc"), "pandas"))
@example(Drawn(EVERYTHING, ("y", "float flag"), ("at", "naive"), "duckdb"))
@example(Drawn(ODD_NAMES, ("label", "wide"), ("event_date", "text"), "arrow"))
@example(Drawn(ODD_NAMES, ("No", "count"), ("when?", "date"), "old arrow"))
def test_any_table_becomes_a_model_whose_own_days_pass(settings: Settings, table: Drawn) -> None:
    with tempfile.TemporaryDirectory() as scratch:
        here = Path(scratch)
        place = replace(settings, home=here / "home", models=here / "models", lake=str(here / "lake"))
        foreign = FOREIGN.get(table.writer, set())
        fitting = replace(table, columns=tuple(pair for pair in table.columns if pair[1] not in foreign))
        path = here / "data.parquet"
        WRITERS[table.writer](fitting.table(), path)
        report = draft(place, "draft", Request(path, table.label[0], table.time[0]), lambda _: None)
        assert load_model(place.models / "draft").task is report.draft.target.task
        assert unaccepted(place, "draft", warnings=False) == []
        assert "would be quarantined" not in report.render()
        features = feature_table(place, "draft", here / "duckdb", report.draft.events.last)
        assert features.num_rows > 0
        assert features["event_date"][-1].as_py() < date(2024, 4, 1)

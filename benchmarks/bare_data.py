# ruff: noqa: S608 - the SQL is made of our own model folder, not of anybody's input
"""The yardstick's rows: the model's own features from partition files straight into one float32 array."""

from __future__ import annotations

import runpy
from dataclasses import dataclass, field
from datetime import date, timedelta
from typing import Any

import duckdb
import ibis
import numpy as np
import pyarrow as pa
from numpy.typing import NDArray

EPOCH = date(1970, 1, 1)
DAY_ROWS = 10**8
# A matrix without missing values takes one byte an entry and trains several times as fast: nulls get the lowest bin.
NULL = np.float32(-1e30)
BATCH = 250_000


@dataclass
class Data:
    """All labelled rows in order: days since 1970 (n,), labels (n,), features (n, f); categories are codes."""

    names: list[str]
    types: list[str]
    day: NDArray[np.int64]
    label: NDArray[np.float32]
    x: NDArray[np.float32]
    values: dict[str, list[str]] = field(default_factory=dict)

    def between(self, first: str, last: str) -> slice:
        """The rows of the days `first` to `last`."""
        low, high = ((date.fromisoformat(day) - EPOCH).days for day in (first, last))
        return slice(int(np.searchsorted(self.day, low)), int(np.searchsorted(self.day, high, "right")))


def views(con: duckdb.DuckDBPyConnection, job: dict[str, Any]) -> dict[str, Any]:
    """The tables of `features.py` over the partition files, none showing what is known only after the event."""
    as_of = date.fromisoformat(job["span"]["as_of"])
    for name, table in job["tables"].items():
        paths = ", ".join(f"'{path}'" for _, path in table["files"])
        source = f"read_parquet([{paths}], union_by_name=true, filename='_file', file_row_number=true)"
        kinds = con.execute(f"DESCRIBE SELECT * FROM {source}").fetchall()
        columns = {row[0]: row[1] for row in kinds if row[0] not in ("_file", "file_row_number")}
        shown = [
            f'CAST("{c}" AS TIMESTAMP) AS "{c}"' if t.endswith("TIME ZONE") else f'"{c}"' for c, t in columns.items()
        ]
        if table["role"] != "static":
            days = ", ".join(f"'{path}': DATE '{day}'" for day, path in table["files"])
            shown.append(f"(MAP {{{days}}})[_file] AS event_date")
        if table["role"] == "events":
            shown.append(f"CAST(event_date - DATE '1970-01-01' AS BIGINT) * {DAY_ROWS} + file_row_number AS row_id")
        con.execute(f"CREATE VIEW raw_{name} AS SELECT {', '.join(shown)} FROM {source}")
        hidden = ", ".join(f'"{column}"' for column in table["after_event"])
        last = as_of + timedelta(days=1 if table["role"] == "events" or table["known"] == "forecast" else 0)
        where = "" if table["role"] == "static" else f" WHERE event_date <= DATE '{last}'"
        con.execute(f"CREATE VIEW {name} AS SELECT *{f' EXCLUDE ({hidden})' if hidden else ''} FROM raw_{name}{where}")
    events, delay = job["events"], job["maturity_days"] + 1
    hidden = ", ".join(f'"{column}"' for column in job["tables"][events]["after_event"])
    con.execute(
        f"CREATE VIEW labels AS SELECT * EXCLUDE ({hidden}), CAST(({job['label']}) AS DOUBLE) AS label, "
        f"CAST(event_date + {delay} AS TIMESTAMP) AS known_at FROM raw_{events} "
        f"WHERE event_date <= DATE '{as_of - timedelta(days=job['maturity_days'])}' AND ({job['label']}) IS NOT NULL"
    )
    backend = ibis.duckdb.from_connection(con)
    return {name: backend.table(name) for name in (*job["tables"], "labels")}


def read(job: dict[str, Any]) -> Data:
    """All labelled rows of the training and test days with their features."""
    con = duckdb.connect(config={"threads": job["threads"]})
    con.execute("SET TimeZone='UTC'")
    tables, span = views(con, job), job["span"]
    first, last = ((date.fromisoformat(span[key]) - EPOCH).days * DAY_ROWS for key in ("train_start", "test_end"))
    rows = f"row_id >= {first} AND row_id < {last + DAY_ROWS}"
    labels = con.execute(
        f"SELECT row_id, CAST(({job['label']}) AS FLOAT) AS label FROM raw_{job['events']} WHERE {rows}"
    ).fetchnumpy()
    target, label, day = _places(labels["row_id"], np.ma.filled(labels["label"], np.nan))
    built = runpy.run_path(job["features"])["build"](tables, date.fromisoformat(span["as_of"]))
    schema = {name: kind for name, kind in built.schema().items() if name not in ("row_id", "known_at")}
    text = {name for name, kind in schema.items() if kind.is_string()}
    narrow = {name: built[name] if name in text else built[name].cast("float32").fill_null(NULL) for name in schema}
    asked = built.filter(built.row_id >= first, built.row_id < last + DAY_ROWS).select("row_id", **narrow)
    x = np.empty((len(label), len(schema)), np.float32)
    data = Data(list(schema), ["c" if name in text else "float" for name in schema], day, label, x)
    coders = {name: _Coder() for name in schema if name in text}
    for batch in con.sql(str(ibis.to_sql(asked, dialect="duckdb"))).to_arrow_table().to_batches(BATCH):
        _place(batch, target, data, coders)
    early = data.between(span["train_start"], before(span["validation_start"]))
    for name, coder in coders.items():
        _recode(data, name, list(coder.codes), early, job)
    return data


class _Places:
    """Where a row goes: rows are numbered by day and place in its file, and those without a label go nowhere."""

    def __init__(self, row_id: NDArray[np.int64], wanted: NDArray[np.bool_]) -> None:
        days = row_id // DAY_ROWS
        self.first = int(days.min())
        counts = np.bincount(days - self.first)
        self.starts = np.concatenate([[0], np.cumsum(counts)])
        self.target = np.full(len(row_id), -1, np.int64)
        place = self.positions(row_id)
        keep = np.zeros(len(row_id), bool)
        keep[place] = wanted
        self.target[keep] = np.arange(int(keep.sum()))

    def positions(self, row_id: NDArray[np.int64]) -> NDArray[np.int64]:
        days, number = np.divmod(row_id, DAY_ROWS)
        found: NDArray[np.int64] = self.starts[days - self.first] + number
        return found

    def of(self, row_id: NDArray[np.int64]) -> NDArray[np.int64]:
        """The rows' places among the labelled ones, -1 for a row without a label."""
        found: NDArray[np.int64] = self.target[self.positions(row_id)]
        return found


def _places(
    row_id: NDArray[np.int64], label: NDArray[np.float32]
) -> tuple[_Places, NDArray[np.float32], NDArray[np.int64]]:
    known = ~np.isnan(label)
    places = _Places(row_id, known)
    place = places.of(row_id[known])
    ordered, day = np.empty(len(place), np.float32), np.empty(len(place), np.int64)
    ordered[place], day[place] = label[known], row_id[known] // DAY_ROWS
    return places, ordered, day


class _Coder:
    """Codes in order of appearance; the vocabulary is cut when all rows are there."""

    def __init__(self) -> None:
        self.codes: dict[str | None, int] = {}

    def __call__(self, column: pa.Array) -> NDArray[np.int64]:
        encoded = column.dictionary_encode("encode")
        table = [self.codes.setdefault(value, len(self.codes)) for value in encoded.dictionary.to_pylist()]
        found: NDArray[np.int64] = np.array(table, np.int64)[encoded.indices.to_numpy()]
        return found


def _place(batch: pa.RecordBatch, places: _Places, data: Data, coders: dict[str, _Coder]) -> None:
    target = places.of(batch.column("row_id").to_numpy())
    keep = np.flatnonzero(target >= 0)
    target = target[keep]
    if len(target) and target[-1] - target[0] == len(target) - 1 and (np.diff(target) == 1).all():
        target = slice(int(target[0]), int(target[-1]) + 1)  # type: ignore[assignment]
    for place, name in enumerate(data.names):
        column = batch.column(name)
        values = coders[name](column) if name in coders else column.to_numpy(zero_copy_only=False)
        data.x[target, place] = values[keep]


def _recode(data: Data, name: str, found: list[str | None], early: slice, job: dict[str, Any]) -> None:
    """Keep the values with enough training rows; all others, and nulls, become code 0."""
    place = data.names.index(name)
    codes = data.x[:, place].astype(np.int64)
    counts = np.bincount(codes[early], minlength=len(found))
    often = [(-int(counts[at]), value) for at, value in enumerate(found) if value is not None]
    often = sorted(item for item in often if -item[0] >= job["min_category_rows"])[: job["max_categories"]]
    data.values[name] = ["(unknown)", *sorted(value for _, value in often)]
    known = {value: code for code, value in enumerate(data.values[name])}
    data.x[:, place] = np.array([known.get(value, 0) if value else 0 for value in found], np.float32)[codes]


def before(day: str) -> str:
    """The day before `day`."""
    return (date.fromisoformat(day) - timedelta(days=1)).isoformat()

"""What `benchmarks.drift` times, each a process of its own that prints one JSON object.

python -m benchmarks.drift_job files REFERENCE CURRENT   # both files profiled and compared, nothing known before
python -m benchmarks.drift_job keep REFERENCE CURRENT    # the nights of a ledger, below EVERGREEN_HOME
python -m benchmarks.drift_job stored                    # the same report from what they kept
python -m benchmarks.drift_job agree REFERENCE CURRENT   # against scipy and counts by numpy
python -m benchmarks.drift_job rates                     # how often sampling alone gives an effect
"""

from __future__ import annotations

import json
import sys
import time
from collections.abc import Sequence
from datetime import date, timedelta
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq

from benchmarks.drift_data import COLUMNS
from pipelines.config import settings as configuration
from pipelines.drift.compare import compare
from pipelines.drift.files import grid_of, profile_files
from pipelines.drift.grid import Categories, Grid, make_grid
from pipelines.drift.measures import LEAST_SHARE, places
from pipelines.drift.noise import effect
from pipelines.drift.profile import merge_all, profile
from pipelines.ledger import nights
from pipelines.ledger.git import Ledger

MODEL = "drifting"
KIND = "profiles/abc123def456"
FIRST, REFERENCE_DAYS, WINDOW_DAYS = date(2013, 1, 1), 90, 7
DAY_ROWS = 10_000
TRIALS = 1_000


def files(reference: Path, current: Path) -> dict[str, Any]:
    """The report from the files alone."""
    grid = grid_of([reference])
    sides = [profile_files([path], grid) for path in (reference, current)]
    return {"columns": [item.to_json() for item in compare(sides[0], sides[1], grid)]}


def keep(reference: Path, current: Path) -> dict[str, Any]:
    """A ledger with the profiles of 90 days of the reference and 7 of what is current."""
    ledger = Ledger.open(configuration.load(), MODEL, create=True)
    days = [*_days(reference, REFERENCE_DAYS), *_days(current, WINDOW_DAYS)]
    grid = make_grid(pa.concat_tables(days[:REFERENCE_DAYS]))
    nights.put_new(ledger, {"grids/drifting": grid.to_json()}, "Grid")
    profiles = {(KIND, FIRST + timedelta(days=n)): profile(day, grid) for n, day in enumerate(days)}
    nights.write(ledger, profiles, "Profiles")
    return {"days": len(days)}


def stored() -> dict[str, Any]:
    """The report from the ledger: no row is read. Timed from the open ledger to the report."""
    ledger = Ledger.open(configuration.load(), MODEL)
    began = time.perf_counter()
    grid = Grid.from_json(nights.read_file(ledger, "grids/drifting") or {})
    last = FIRST + timedelta(days=REFERENCE_DAYS - 1)
    reference = list(nights.days(ledger, KIND, FIRST, last).values())
    window = nights.days(ledger, KIND, last + timedelta(days=1), last + timedelta(days=WINDOW_DAYS))
    found = compare(merge_all(reference), merge_all(window.values()), grid, reference)
    return {"seconds": time.perf_counter() - began, "columns": [item.to_json() for item in found]}


def agree(reference: Path, current: Path) -> dict[str, Any]:
    """The largest difference of each measure from scipy's, on the same bins, counted by numpy."""
    from scipy.spatial.distance import jensenshannon
    from scipy.special import rel_entr
    from scipy.stats import wasserstein_distance

    grid = grid_of([reference])
    sides = [profile_files([path], grid) for path in (reference, current)]
    worst = {"js": 0.0, "psi": 0.0, "wasserstein": 0.0}
    for item in compare(sides[0], sides[1], grid):
        bins = grid.columns[item.name]
        columns = [pq.read_table(path, columns=[item.name])[item.name] for path in (reference, current)]
        p, q = (np.array(_counts(column, bins)) for column in columns)
        first, second = (np.maximum(side / side.sum(), LEAST_SHARE) for side in (p, q))
        worst["js"] = max(worst["js"], abs(item.js - jensenshannon(p, q, base=2)))
        theirs = rel_entr(first, second).sum() + rel_entr(second, first).sum()
        worst["psi"] = max(worst["psi"], abs(item.psi - theirs))
        if item.wasserstein is not None:
            where, scale = places(bins.values), np.nanstd(columns[0].cast(pa.float64()).to_numpy())
            moved = wasserstein_distance(where, where, p[:-1], q[:-1]) / scale
            worst["wasserstein"] = max(worst["wasserstein"], abs(item.wasserstein - moved))
    return {name: float(value) for name, value in worst.items()}


def rates() -> dict[str, Any]:
    """Of 1,000 seeded pairs of samples of one distribution, how many gave an effect, and one of 0.1, by rows."""
    shape = np.random.default_rng(1).dirichlet(np.full(77, 0.3))
    random = np.random.default_rng(7)
    found = {}
    for rows in (100, 10_000, 1_000_000):
        before, now = (random.multinomial(rows, shape, size=TRIALS) for _ in range(2))
        effects = np.array([effect(p, q) for p, q in zip(before, now, strict=True)])
        found[str(rows)] = {"any": int((effects > 0).sum()), "of 0.1": int((effects >= 0.1).sum())}
    return found


def _days(path: Path, count: int) -> list[pa.Table]:
    batches = pq.ParquetFile(path).iter_batches(DAY_ROWS, columns=list(COLUMNS))
    return [pa.table(batch) for batch, _ in zip(batches, range(count), strict=False)]


def _counts(column: pa.ChunkedArray, bins: Any) -> list[int]:
    if isinstance(bins, Categories):
        found = {item["values"]: item["counts"] for item in column.value_counts().to_pylist()}
        known = [found.get(value, 0) for value in bins.values]
        return [*known, len(column) - column.null_count - sum(known), column.null_count]
    values = column.cast(pa.float64()).drop_null().to_numpy()
    # The last of numpy's bins holds its right edge, too: infinity, which no value is.
    counts = np.histogram(values, [-np.inf, *bins.values, np.inf])[0]
    return [*counts.tolist(), column.null_count]


def main(words: Sequence[str]) -> None:
    """Do what the first word names."""
    jobs = {job.__name__: job for job in (files, keep, stored, agree, rates)}
    print(json.dumps(jobs[words[0]](*map(Path, words[1:]))))


if __name__ == "__main__":
    main(sys.argv[1:])

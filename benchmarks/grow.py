"""The demo lake grown to ten million flights by seeded resampling: what a large airline's year would weigh.

Every day's flights are drawn with replacement from that day's own; what happened to a flight goes with it. Copies of
one flight get flight numbers of their own, which keeps the key unique and leaves about one flight a number, carrier
and day, as in the original. Weather and the static tables stay as they are.

    python -m benchmarks.grow SOURCE_LAKE GROWN_LAKE [--rows 10000000]
"""

from __future__ import annotations

import argparse
import json
import shutil
import sys
import time
from pathlib import Path

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
from numpy.typing import NDArray

LAYOUT = 1
SEED = 2013
ROWS = 10_000_000
NUMBERS = 9_999  # flight numbers run from 1 to this
SAY_SECONDS = 2.0
MARK = ".grown.json"


def grow(source: Path, target: Path, rows: int) -> bool:
    """Lay out `rows` flights below `target`; False when they are there already."""
    days = sorted(source.glob("flights/*.parquet"))
    mark = {"layout": LAYOUT, "seed": SEED, "rows": rows, "source": _fingerprint(source)}
    if _done(target, mark):
        return False
    for name in ("flights", "weather"):
        (target / name).mkdir(parents=True, exist_ok=True)
    for path in [*source.glob("*.parquet"), *source.glob("weather/*.parquet")]:
        shutil.copyfile(path, target / path.relative_to(source))
    said, sizes = time.monotonic(), {}
    for number, path in enumerate(days):
        wanted = rows // len(days) + (number < rows % len(days))
        grown = target / "flights" / path.name
        _write(resampled(pq.read_table(path), wanted, number), grown)
        sizes[path.name] = grown.stat().st_size
        if time.monotonic() - said >= SAY_SECONDS:
            said = time.monotonic()
            print(f"grow: {number + 1} of {len(days)} days", file=sys.stderr, flush=True)
    (target / MARK).write_text(json.dumps(mark | {"sizes": sizes}))
    return True


def resampled(day: pa.Table, rows: int, number: int) -> pa.Table:
    """`rows` flights drawn with replacement from `day`, the year's day `number`, in its order."""
    random = np.random.default_rng([SEED, number])
    drawn = np.sort(random.integers(0, day.num_rows, rows))
    table = day.take(pa.array(drawn))
    place = table.column_names.index("flight")
    return table.set_column(place, day.schema.field("flight"), pa.array(numbers(table), pa.int32()))


def numbers(table: pa.Table) -> NDArray[np.int64]:
    """A flight number (rows,) for each row, different for all rows of one hour, carrier and origin."""
    group = np.zeros(table.num_rows, np.int64)
    for column in ("time_hour", "carrier", "origin"):
        values = np.unique(table[column].to_numpy(zero_copy_only=False), return_inverse=True)[1]
        group = group * (int(values.max()) + 1) + values
    order = np.argsort(group, kind="stable")
    starts = np.flatnonzero(np.diff(group[order], prepend=-1))
    sizes = np.diff(starts, append=len(order))
    if sizes.max() > NUMBERS:
        raise SystemExit(f"{sizes.max()} flights of one hour, carrier and origin: more than there are flight numbers")
    rank = np.empty(len(order), np.int64)
    rank[order] = np.arange(len(order)) - np.repeat(starts, sizes)
    # Each origin and hour counts from its own place, the same every day, so that a number means the same flight.
    origin = np.unique(table["origin"].to_numpy(zero_copy_only=False), return_inverse=True)[1]
    offset = (origin * 24 + table["hour"].to_numpy()) * (NUMBERS // 72)
    found: NDArray[np.int64] = 1 + (offset + rank) % NUMBERS
    return found


def _write(table: pa.Table, path: Path) -> None:
    pq.write_table(table.combine_chunks(), path, compression="zstd", write_page_checksum=True)


def _fingerprint(source: Path) -> dict[str, int]:
    return {path.stem: path.stat().st_size for path in sorted(source.glob("flights/*.parquet"))}


def _done(target: Path, mark: dict[str, object]) -> bool:
    path = target / MARK
    if not path.is_file():
        return False
    found = json.loads(path.read_text())
    sizes = found.pop("sizes")
    files = {file.name: file.stat().st_size for file in (target / "flights").glob("*.parquet")}
    same: bool = found == mark and files == sizes
    return same


def main() -> None:
    """Grow a lake; says what it did."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("source", type=Path)
    parser.add_argument("target", type=Path)
    parser.add_argument("--rows", type=int, default=ROWS)
    asked = parser.parse_args()
    began = time.monotonic()
    written = grow(asked.source, asked.target, asked.rows)
    took = f"{time.monotonic() - began:.0f} s"
    print(f"grow: {asked.rows:,} flights written in {took}" if written else "grow: all there, nothing written")


if __name__ == "__main__":
    main()

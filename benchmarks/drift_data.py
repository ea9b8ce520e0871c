"""Two files of ten million rows each for the drift benchmark: flights drawn with replacement, each with some weather.

Nine columns: three of whole numbers, three of texts, three of doubles (one of them continuous). The first half of the
year is the reference, the second half what is current.
"""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq

SEED = 2013
GROUP = 1_000_000
FLIGHTS = ("sched_dep_time", "distance", "air_time", "carrier", "origin", "dest")
WEATHER = ("temp", "pressure")
COLUMNS = (*FLIGHTS, *WEATHER, "load")


def lay_out(lake: Path, folder: Path, rows: int) -> tuple[Path, Path]:
    """Reference and current below `folder`, `rows` each; what is there already stays."""
    made = []
    for number, name in enumerate(("reference", "current")):
        path = folder / f"{name}-{rows}.parquet"
        if not path.exists():
            _write(lake, path, rows, number)
        made.append(path)
    return made[0], made[1]


def _write(lake: Path, path: Path, rows: int, half: int) -> None:
    random = np.random.default_rng([SEED, half])
    flights, weather = (_half(lake / name, half) for name in ("flights", "weather"))
    path.parent.mkdir(parents=True, exist_ok=True)
    draft, writer = path.with_suffix(".tmp"), None
    for start in range(0, rows, GROUP):
        count = min(GROUP, rows - start)
        table = _drawn(flights, FLIGHTS, count, random)
        for name, column in zip(WEATHER, _drawn(weather, WEATHER, count, random).columns, strict=True):
            table = table.append_column(name, column)
        table = table.append_column("load", pa.array(random.gamma(4 + 0.1 * half, 1.0, count)))
        writer = writer or pq.ParquetWriter(draft, table.schema, compression="zstd", write_page_checksum=True)
        writer.write_table(table)
    if writer:
        writer.close()
    draft.rename(path)


def _half(folder: Path, half: int) -> pa.Table:
    days = sorted(folder.glob("*.parquet"))
    middle = len(days) // 2
    return pa.concat_tables([pq.read_table(path) for path in (days[middle:] if half else days[:middle])])


def _drawn(table: pa.Table, columns: tuple[str, ...], count: int, random: np.random.Generator) -> pa.Table:
    return table.select(list(columns)).take(random.integers(0, table.num_rows, count))

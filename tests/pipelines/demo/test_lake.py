"""The demo lake: whole, typed, deterministic, and left alone when it is right."""

from datetime import UTC, datetime

import pyarrow as pa
import pyarrow.compute as pc
import pyarrow.dataset as ds
import pyarrow.parquet as pq
import pytest

from pipelines.demo.lake import lay_out
from pipelines.storage.files import sha256_file


@pytest.fixture(scope="module")
def lake(tmp_path_factory):
    folder = tmp_path_factory.mktemp("demo")
    return lay_out(folder, lambda _: None)


def hashes(folder):
    return {path: (sha256_file(path), path.stat().st_mtime_ns) for path in sorted(folder.rglob("*.parquet"))}


def test_all_published_rows_are_there(lake):
    assert lake.rows == {"flights": 336776, "weather": 26115, "planes": 3322, "airports": 1458, "airlines": 16}
    assert (lake.days, lake.written, lake.kept) == (365, 732, 0)
    assert lake.seconds < 15
    for table in ("flights", "weather"):
        assert ds.dataset(lake.folder / table).count_rows() == lake.rows[table]


def test_types_are_those_of_the_world(lake):
    schema = pq.read_schema(lake.folder / "flights/2013-07-04.parquet")
    assert schema.field("time_hour").type == pa.timestamp("us", tz="UTC")
    assert {schema.field(name).type for name in ("dep_time", "arr_delay", "flight", "year")} == {pa.int32()}
    assert schema.field("carrier").type == pa.string()
    assert {pq.read_schema(path) for path in sorted((lake.folder / "flights").iterdir())[::60]} == {schema}


def test_a_days_partition_is_a_local_day_in_new_york(lake):
    for day in ("2013-03-10", "2013-07-04", "2013-11-03"):
        flights = pq.read_table(lake.folder / f"flights/{day}.parquet")
        local = pc.strftime(pc.cast(flights["time_hour"], pa.timestamp("s", "America/New_York")), "%Y-%m-%d")
        assert set(local.to_pylist()) == {day}


def test_a_known_flight_is_as_published(lake):
    first = pq.read_table(lake.folder / "flights/2013-01-01.parquet").slice(0, 1).to_pylist()[0]
    assert (first["carrier"], first["flight"], first["tailnum"], first["dep_time"]) == ("UA", 1545, "N14228", 517)
    assert (first["arr_delay"], first["time_hour"]) == (11, datetime(2013, 1, 1, 10, tzinfo=UTC))


def test_laid_out_again_elsewhere_it_is_the_same_bytes(lake, tmp_path):
    again = lay_out(tmp_path, lambda _: None)
    assert again.digest == lake.digest
    before = {path.relative_to(lake.folder): sha256 for path, (sha256, _) in hashes(lake.folder).items()}
    assert {path.relative_to(tmp_path): sha256 for path, (sha256, _) in hashes(tmp_path).items()} == before


def test_run_again_nothing_is_written_and_it_says_so(lake):
    before = hashes(lake.folder)
    again = lay_out(lake.folder, pytest.fail)
    assert (again.written, again.kept, again.digest, again.rows) == (0, 732, lake.digest, lake.rows)
    assert "nothing written" in again.sentence()
    assert again.seconds < 3
    assert hashes(lake.folder) == before


def test_only_what_is_damaged_or_gone_is_written_again(lake):
    before = hashes(lake.folder)
    (lake.folder / "flights/2013-05-05.parquet").write_bytes(b"damaged")
    (lake.folder / "planes.parquet").unlink()
    mended = lay_out(lake.folder, lambda _: None)
    assert (mended.written, mended.kept, mended.digest) == (2, 730, lake.digest)
    changed = {path.name for path, was in hashes(lake.folder).items() if was != before[path]}
    assert changed == {"2013-05-05.parquet", "planes.parquet"}

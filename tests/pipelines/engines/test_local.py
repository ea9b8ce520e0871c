"""The DuckDB session: bounded, in UTC, fetching nothing, leaving nothing, its errors in our words."""

import duckdb
import pytest

from pipelines.engines.local import connect, explain
from pipelines.errors import ConfigError, PassingFault


def test_session_is_bounded_and_leaves_nothing(tmp_path):
    scratch = tmp_path / "scratch"
    with connect(scratch, threads=1, memory="200MB") as session:
        names = ("threads", "memory_limit", "temp_directory", "TimeZone", "autoinstall_known_extensions")
        values = [session.execute(f"SELECT current_setting('{name}')").fetchone()[0] for name in names]
        session.execute("CREATE TABLE t AS SELECT range AS n, repeat('x', 100) AS x FROM range(3_000_000)")
        assert session.execute("SELECT count(*) FROM t").fetchone() == (3_000_000,)
        assert any(scratch.iterdir()), "what does not fit is on disk"
    assert values[0] == 1
    assert values[1].endswith("MiB")
    assert values[2:] == [str(scratch), "UTC", False]
    assert not scratch.exists()


def test_too_little_memory(tmp_path):
    query = "SELECT list(range ORDER BY -range) FROM range(30_000_000)"
    with pytest.raises(ConfigError, match="need more than 50MB"), connect(tmp_path / "s", memory="50MB") as session:
        session.execute(query).fetchall()


def test_full_disk_passes():
    assert isinstance(explain(duckdb.IOException("write failed: No space left on device")), PassingFault)


def test_other_errors_are_told():
    assert "no such function" in explain(duckdb.BinderException("no such\n function")).line()

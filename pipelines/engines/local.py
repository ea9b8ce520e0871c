"""The local engine: one DuckDB connection with bounded memory, and Ibis on top of it."""

from __future__ import annotations

import shutil
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING

from pipelines.errors import ConfigError, EvergreenError, shorten
from pipelines.storage.files import no_space

if TYPE_CHECKING:
    import duckdb

MEMORY = "750MB"
# What `pipelines.features.local_time` compiles to, here as on Spark.
_LOCAL_TIME = "CREATE MACRO from_utc_timestamp(moment, zone) AS timezone(zone, timezone('UTC', moment::TIMESTAMP))"


@contextmanager
def connect(scratch: Path, *, threads: int = 2, memory: str = MEMORY) -> Iterator[duckdb.DuckDBPyConnection]:
    """A DuckDB connection in memory that spills to the folder `scratch`, which is gone afterwards.

    Nothing is fetched from anywhere: extensions are neither installed nor loaded by themselves. Times are UTC.

    Raises:
        EvergreenError: what DuckDB raises inside the block, as `explain` says it.
    """
    import duckdb

    config: dict[str, str | int | bool] = {
        "threads": threads,
        "memory_limit": memory,
        "temp_directory": str(scratch),
        "autoinstall_known_extensions": False,
        "autoload_known_extensions": False,
        "preserve_insertion_order": True,
    }
    connection = duckdb.connect(":memory:", config=config)
    try:
        connection.execute("SET TimeZone='UTC'")
        connection.execute(_LOCAL_TIME)
        yield connection
    except duckdb.Error as error:
        raise explain(error, memory) from error
    finally:
        connection.close()
        shutil.rmtree(scratch, ignore_errors=True)


def explain(error: Exception, memory: str = MEMORY) -> EvergreenError:
    """DuckDB's `error` in our words: out of memory, out of disk, or a query that the data does not bear."""
    import duckdb

    text = " ".join(str(error).split())
    if isinstance(error, duckdb.OutOfMemoryException):
        return ConfigError(
            f"the features need more than {memory} of memory",
            where="DuckDB",
            remedy="take a shorter window, or join and sort less in features.py",
        )
    if isinstance(error, duckdb.IOException) and "No space left" in text:
        return no_space("DuckDB")
    return ConfigError(shorten(text, 200), where="DuckDB", remedy="look at features.py and label.expression")

"""The features stage: the model's feature table over the days of the run, as known before each of them."""

from __future__ import annotations

import shutil
from concurrent.futures import Future, ThreadPoolExecutor
from pathlib import Path
from typing import TYPE_CHECKING, Any

from pipelines.engines.frame import Frame, open_frame
from pipelines.engines.local import connect
from pipelines.engines.sources import source_files
from pipelines.errors import DataError
from pipelines.stages.context import Progress, StageContext, StageResult
from pipelines.storage.files import read_json, sha256_bytes, sha256_file, write_json
from pipelines.storage.parquet import write_table

if TYPE_CHECKING:
    import pyarrow as pa

ROW_GROUP = 1 << 18
WRITERS = 1


def main(ctx: StageContext) -> StageResult:
    """Write `out/features/data/<yyyy-mm>.parquet` for the days train_start to test_end, and `schema.json`.

    Raises:
        ConfigError: `model/features.py` raises or gives back what is no feature table.
        DataError: its rows do not hold what `engines.checks` asks.
    """
    out, source = ctx.path("out", "features"), ctx.path("model", "features.py")
    shutil.rmtree(out, ignore_errors=True)
    files = source_files(ctx.root, read_json(ctx.path("out", "validate", "accepted.json"))["partitions"])
    with connect(ctx.path("out", ".duckdb"), threads=ctx.params.training.threads) as connection:
        frame = open_frame(connection, ctx.params, files, source)
        rows, digest = write_months(frame, out / "data", ctx.progress)
    schema = schema_document(frame, sha256_file(source), rows, digest)
    write_json(out / "schema.json", schema)
    return StageResult(summary={"rows": rows, "features": len(frame.features), "digest": digest})


def write_months(frame: Frame, folder: Path, progress: Progress) -> tuple[int, str]:
    """Write the run's months into `folder`; gives back the number of rows and a digest over the files' sha256.

    The files' bytes depend on their contents alone, whatever the number of threads.
    """
    span, rows, sums = frame.params.span, 0, dict[str, Future[str]]()
    months = frame.months(span.train_start, span.test_end, label=True, progress=progress)
    # The next month is ordered and checked while this one is compressed; more at once would only cost memory.
    with ThreadPoolExecutor(max_workers=WRITERS) as pool:
        for month, table in months:
            rows += table.num_rows
            sums[month] = pool.submit(_write, folder / f"{month}.parquet", table)
            _wait_for_all_but(sums, WRITERS)
            progress(f"features of {month}: {table.num_rows:,} rows, {len(frame.features)} features")
    if not rows:
        raise DataError(
            f"no events from {span.train_start} to {span.test_end}", where="features", remedy="ingest these days"
        )
    return rows, sha256_bytes("".join(f"{month} {done.result()}\n" for month, done in sums.items()).encode())


def _write(path: Path, table: pa.Table) -> str:
    write_table(path, table.combine_chunks(), row_group_rows=ROW_GROUP)
    return sha256_file(path)


def _wait_for_all_but(sums: dict[str, Future[str]], newest: int) -> None:
    for done in list(sums.values())[:-newest]:
        done.result()


def schema_document(frame: Frame, source: str, rows: int, digest: str) -> dict[str, Any]:
    """`schema.json`: the features in order, the sha256 of features.py, and what was written."""
    features = [item.model_dump(include={"name", "kind", "type"}) for item in frame.features]
    return {"features": features, "sha256": source, "rows": rows, "digest": digest, "tables": frame.types}

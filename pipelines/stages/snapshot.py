"""Snapshot: prove that every partition of the window is there, byte for byte, before anything is computed from it."""

from __future__ import annotations

import os
import shutil
import time
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path, PurePosixPath
from typing import Any

from pipelines.errors import DataError, IntegrityError, shorten
from pipelines.stages.context import StageContext, StageResult
from pipelines.storage.files import read_json, sha256_bytes, sha256_file, write_json

THREADS = 2
PROGRESS_SECONDS = 2.0
_REMEDY = "the run stops here and nothing was changed; pull the file again, or ingest its day again"


def main(ctx: StageContext) -> StageResult:
    """Verify the partitions of `window.json`; write `out/snapshot/snapshot.json`.

    Raises:
        DataError: the window lists nothing.
        IntegrityError: a listed file is missing, or its bytes or rows are not those of the manifest.
    """
    out = ctx.path("out", "snapshot")
    shutil.rmtree(out, ignore_errors=True)
    listed = read_json(ctx.path("window.json"))["partitions"]
    if not listed:
        raise DataError(
            "the window holds no accepted partition", where="window.json", remedy="ingest the days it needs"
        )
    verify(ctx.root, listed, ctx.progress)
    found = summarise(listed)
    write_json(out / "snapshot.json", {"partitions": listed, **found})
    return StageResult(summary={"partitions": len(listed), **found})


def summarise(listed: Sequence[Mapping[str, Any]]) -> dict[str, Any]:
    """Rows per table, and one digest for the bytes of all partitions in their order."""
    rows: dict[str, int] = {}
    for partition in listed:
        rows[partition["table"]] = rows.get(partition["table"], 0) + partition["rows"]
    return {"rows": rows, "digest": sha256_bytes("\n".join(item["sha256"] for item in listed).encode())}


def verify(root: Path, listed: Sequence[Mapping[str, Any]], progress: Callable[[str], None]) -> None:
    """Compare the listed files below `root` with their sha256 and rows; raises IntegrityError for the first wrong one.

    Each file is streamed once. What is wrong with others is counted in the message.
    """
    with ThreadPoolExecutor(min(THREADS, os.cpu_count() or 1)) as pool:
        problems = list(_told(pool.map(lambda item: _problem(root, item), listed), len(listed), progress))
    wrong = [(item, problem) for item, problem in zip(listed, problems, strict=True) if problem]
    if wrong:
        item, problem = wrong[0]
        more = f" ({len(wrong)} of {len(listed)} listed files are wrong)" if len(wrong) > 1 else ""
        raise IntegrityError(f"{problem}{more}", where=item["path"], remedy=_REMEDY)


def _problem(root: Path, item: Mapping[str, Any]) -> str | None:
    path = root / _inside(item["path"])
    if not path.is_file():
        return f"is missing; expected sha256 {item['sha256'][:12]}, {item['rows']} rows"
    found = sha256_file(path)
    if found != item["sha256"]:
        return f"expected sha256 {item['sha256'][:12]}, found {found[:12]}: changed after it was accepted"
    rows = _rows(path)
    return None if rows == item["rows"] else f"expected {item['rows']} rows, found {rows}"


def _rows(path: Path) -> int:
    import pyarrow.parquet as pq

    return int(pq.read_metadata(path).num_rows)


def _inside(path: str) -> PurePosixPath:
    parts = PurePosixPath(path)
    if parts.is_absolute() or ".." in parts.parts or parts.parts[:1] != ("lake",):
        raise IntegrityError(f"{shorten(repr(path))} is outside the lake", where="window.json")
    return parts


def _told(results: Iterable[str | None], total: int, progress: Callable[[str], None]) -> Iterator[str | None]:
    said = time.monotonic()
    for number, result in enumerate(results, 1):
        if time.monotonic() - said > PROGRESS_SECONDS:
            progress(f"snapshot: {number} of {total} files verified")
            said = time.monotonic()
        yield result

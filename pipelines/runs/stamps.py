"""What the champion said in the nights of a run's test days: found by their records, and kept for its evaluation."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import date, timedelta
from pathlib import Path
from typing import TYPE_CHECKING, Any

from pipelines.config.params import RunParams
from pipelines.config.settings import Settings
from pipelines.engines.sources import first_row_id
from pipelines.errors import IntegrityError
from pipelines.evaluation.stamped import StampedDay
from pipelines.ledger import nights, stamps
from pipelines.ledger.champion import Champion
from pipelines.ledger.git import Ledger
from pipelines.ledger.manifest import Manifest, load_manifest
from pipelines.night.predictions import Kept, Predictions, score_columns, version_name
from pipelines.night.scratch import scratch_folder
from pipelines.runs.revisions import standing_as
from pipelines.storage.files import json_bytes, sha256_file
from pipelines.storage.parquet import write_table

if TYPE_CHECKING:
    import pyarrow as pa

KIND = "scores"


@dataclass(frozen=True)
class _Said:
    """What a night recorded of the champion's scores, and the file that it named."""

    day: date
    entry: dict[str, Any]
    kept: Kept


def pinned(settings: Settings, ledger: Ledger, params: RunParams, data_commit: str, standing: Champion | None) -> bytes:
    """The contents of `champion/stamped.json` of a run of `params` on `data_commit`, judged against `standing`.

    Looks at the test days after the last one whose labels the champion has seen, as of the last fetch. A day that no
    night has scored, or whose file was removed since, is left out. The scores are in cache and remote on return.

    Raises:
        IntegrityError: a file of predictions is not the one that its night recorded, or cannot be read; or a
            partition's bytes are not what the ledger says.
        PassingFault: predictions or remote cannot be reached; repeating it is safe.
    """
    if standing is None:
        return stamps.NOTHING
    span = params.span
    first = max(span.test_start, standing.window.test_end + timedelta(days=1))
    with scratch_folder(settings, "stamped") as scratch:
        found = _said(settings, ledger, standing, (first, span.test_end), scratch)
        if not found:
            return stamps.NOTHING
        manifest = load_manifest(ledger, data_commit, {f"{item.day:%Y-%m}" for item in found})
        days = {item.day.isoformat(): _told(settings, ledger, params, manifest, item) for item in found}
        scores = scratch / "scores.parquet"
        write_table(scores, _joined(found), durable=False)
        named = {
            "version": standing.version,
            "run": standing.run,
            "md5": stamps.keep(settings, ledger, scores),
            "sha256": sha256_file(scores),
            "days": days,
        }
    return json_bytes({"stamped": named})


def _said(
    settings: Settings, ledger: Ledger, standing: Champion, days: tuple[date, date], scratch: Path
) -> list[_Said]:
    """Day by day; of another run under the same number, as after a registry was lost, nothing."""
    found = []
    recorded = nights.days(ledger, KIND, *days) if days[0] <= days[1] else {}
    for day, versions in recorded.items():
        entry = versions.get(str(standing.version))
        if entry is None or entry["run"] != standing.run:
            continue
        files = Predictions.open(settings, ledger.model, day, scratch / day.isoformat())
        kept = files.read(version_name(standing.version), entry["sha256"])
        if kept is not None:
            found.append(_Said(day, entry, kept))
    return found


def _told(
    settings: Settings, ledger: Ledger, params: RunParams, manifest: Manifest, item: _Said
) -> dict[str, str | int]:
    entry = item.entry
    scored = entry["events"]["sha256"]
    return StampedDay(
        file=entry["file"],
        sha256=entry["sha256"],
        rows=entry["rows"],
        features_sha256=entry["features_sha256"],
        events_sha256=standing_as(settings, ledger, params, manifest, item.day, scored),
    ).model_dump()


def _joined(found: list[_Said]) -> pa.Table:
    """`row_id` and the scores of all days: a night writes its rows in the order of the day's partition."""
    import numpy as np
    import pyarrow as pa

    columns, parts = score_columns(found[0].kept.table), []
    for item in found:
        if score_columns(item.kept.table) != columns:
            raise IntegrityError(
                f"has other scores than {found[0].day}: {', '.join(score_columns(item.kept.table)) or 'none'}",
                where=item.kept.place,
                remedy="a version writes the same columns every night; see who wrote it",
            )
        row_id = first_row_id(item.day) + np.arange(len(item.kept.table), dtype=np.int64)
        parts.append(item.kept.table.select(columns).add_column(0, "row_id", pa.array(row_id)))
    return pa.concat_tables(parts).combine_chunks()

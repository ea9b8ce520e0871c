"""Takes a person's rows out of files of predictions, features and samples, and tells the branch `nights`."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import date
from pathlib import Path
from typing import TYPE_CHECKING

from pipelines.ledger import nights
from pipelines.night.rows import KEY
from pipelines.retention.found import Hit, Search
from pipelines.retention.predictions import Found, files
from pipelines.storage.erasing import rows_like, write_without
from pipelines.storage.files import sha256_file, write_bytes
from pipelines.storage.once import Once
from pipelines.storage.parquet import read_table
from pipelines.storage.s3 import S3, S3Place, is_s3

if TYPE_CHECKING:
    import pyarrow as pa

_SCORES = "scores"


@dataclass(frozen=True)
class Draft:
    """A file as it is to be: its bytes without the rows lie at `path`."""

    found: Found
    path: Path
    rows: int


def drafts(search: Search, hits: Sequence[Hit], scratch: Path) -> list[Draft]:
    """The files that hold such rows, by the key's own columns or by the keys of the events that have it.

    Raises:
        IntegrityError: a file cannot be read.
        PassingFault: S3 cannot be reached.
    """
    import pyarrow as pa

    by_day: dict[str, list[pa.Table]] = {}
    for hit in hits:
        if hit.keys is not None:
            by_day.setdefault(hit.item.partition, []).append(hit.keys)
    keys = {day: pa.concat_tables(tables) for day, tables in by_day.items()}
    made = []
    for number, found in enumerate(files(search.settings, search.ledger.model)):
        draft = _draft(search, found, keys, scratch / str(number))
        made += [draft] if draft else []
    return made


def replace_all(search: Search, made: Sequence[Draft]) -> None:
    """First the records of the new bytes, then the bytes: killed in between, the same again brings both together."""
    if not made:
        return
    ledger, settings = search.ledger, search.settings
    days = sorted({draft.found.day for draft in made if draft.found.day})
    known = nights.days(ledger, _SCORES, days[0], days[-1]) if days else {}
    entries: dict[tuple[str, date], nights.Value] = {}
    for draft in made:
        day, version = draft.found.day, _version(draft.found.name)
        if day and version and (entry := known.get(day, {}).get(version)):
            new = entry | {"sha256": sha256_file(draft.path), "rows": read_table(draft.path).num_rows}
            entries.setdefault((_SCORES, day), {})[version] = new
    nights.write(ledger, entries, f"Erase rows from {len(made)} files of predictions\n")
    for draft in made:
        name, content = draft.found.name, draft.path.read_bytes()
        if is_s3(settings.predictions):
            from pipelines.storage.s3_shelf import put

            root = S3Place.parse(settings.predictions, "EVERGREEN_PREDICTIONS")
            put(S3.open(settings), root.below(ledger.model, *name.split("/")), content)
        else:
            write_bytes(Path(settings.predictions) / ledger.model / name, content)


def _draft(search: Search, found: Found, keys: Mapping[str, pa.Table], scratch: Path) -> Draft | None:
    import pyarrow.compute as pc

    scratch.mkdir()
    once = Once(search.settings, search.settings.predictions, "EVERGREEN_PREDICTIONS")
    path = once.bring(f"{search.ledger.model}/{found.name}", scratch)
    if path is None:
        return None
    table = read_table(path)
    masks = [search.mask(table), search.mask(table, KEY)]
    own = keys.get(found.day.isoformat()) if found.day else None
    if own is not None:
        masks += [rows_like(table, own), rows_like(table, own.rename_columns([f"{KEY}{n}" for n in own.column_names]))]
    gone = None
    for mask in masks:
        gone = mask if gone is None else gone if mask is None else pc.or_(gone, mask)
    if gone is None:
        return None
    write_without(scratch / "draft.parquet", table, gone)
    return Draft(found, scratch / "draft.parquet", sum(gone.to_pylist()))


def _version(name: str) -> str | None:
    stem = Path(name).stem
    return stem.removeprefix("version-") if stem.startswith("version-") else None

"""The files of a tiny model's lake as the engine is given them, without a ledger."""

from __future__ import annotations

from datetime import date, timedelta
from pathlib import Path

import pyarrow.parquet as pq
from support import TinyModel

from pipelines.config.names import STATIC
from pipelines.config.params import RunParams
from pipelines.engines.sources import SourceFile
from pipelines.storage.files import write_json


def params_of(tiny: TinyModel, as_of: date | None = None) -> RunParams:
    return RunParams.of(tiny.name, tiny.model, as_of or tiny.last)


def files_of(tiny: TinyModel, first: date | None = None, last: date | None = None) -> list[SourceFile]:
    """The files of `first` to `last` that are there, and the static ones."""
    days = [
        (first or tiny.first) + timedelta(days=number)
        for number in range(((last or tiny.last) - (first or tiny.first)).days + 1)
    ]
    found = []
    for name, table in tiny.model.tables.items():
        for day in days if "{date}" in table.uri else [None]:
            path = tiny.path(name, day)
            if path.is_file():
                found.append(SourceFile(name, day, path, pq.read_metadata(path).num_rows))
    return found


def accept(root: Path, tiny: TinyModel) -> None:
    """A workspace at `root` as the validate stage leaves it, its lake being the tiny model's own."""
    files = files_of(tiny)
    partitions = [
        {
            "table": file.table,
            "partition": file.day.isoformat() if file.day else STATIC,
            "path": str(file.path),
            "rows": file.rows,
        }
        for file in files
    ]
    write_json(root / "out" / "validate" / "accepted.json", {"partitions": partitions})
    (root / "model").mkdir(parents=True, exist_ok=True)
    (root / "model" / "features.py").write_bytes((tiny.folder / "features.py").read_bytes())

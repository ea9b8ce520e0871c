"""Some rows that a version was trained on, kept beside its predictions: what a classifier compares days with."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

from pipelines.config.settings import Settings
from pipelines.storage.once import Once

if TYPE_CHECKING:
    import pyarrow as pa

SAMPLE_ROWS = 5_000


def keep_sample(settings: Settings, model: str, run: str, rows: pa.Table, scratch: Path) -> None:
    """Keep `rows` as the sample of this run, unless there is one; raises as `Once.keep` does."""
    from pipelines.storage.parquet import write_table

    draft = scratch / "sample.parquet"
    write_table(draft, rows, durable=False)
    _place(settings).keep(_name(model, run), draft)


def read_sample(settings: Settings, model: str, run: str, scratch: Path) -> pa.Table | None:
    """The sample of this run; None: there is none. Raises as `Once.bring` does."""
    from pipelines.storage.parquet import read_table

    path = _place(settings).bring(_name(model, run), scratch)
    return read_table(path) if path else None


def _place(settings: Settings) -> Once:
    return Once(settings, settings.predictions, "EVERGREEN_PREDICTIONS")


def _name(model: str, run: str) -> str:
    return f"{model}/reference/{run}.parquet"

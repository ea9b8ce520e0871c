"""Binned matrices and scores from batches of the feature table; the whole table is never held as a frame."""

from __future__ import annotations

import ctypes
import gc
import time
from collections.abc import Callable, Iterable, Iterator, Sequence
from typing import TYPE_CHECKING, Any

from pipelines import imports
from pipelines.config.model import Training
from pipelines.engines.columns import Columns
from pipelines.engines.rows import Rows
from pipelines.engines.spool import Spool
from pipelines.errors import DataError, shorten
from pipelines.storage import trees
from pipelines.storage.model_file import NULL_NUMBER, Signature

if TYPE_CHECKING:
    import numpy as np
    import pyarrow as pa
    from numpy.typing import NDArray
    from xgboost import Booster, QuantileDMatrix

    Scores = NDArray[np.float32]
    Part = tuple[NDArray[np.float32], dict[str, Any]]

# XGBoost reads its input four times: encoded blocks are kept between passes, in memory while all of them are smaller
# than this, else in a file, which reads back six times as fast as parquet is decoded and encoded.
KEEP_BYTES = 96 * 2**20
SAY_SECONDS = 2.0
Progress = Callable[[str], None]


def matrix(
    rows: Rows,
    columns: Columns,
    training: Training,
    *,
    weights: Sequence[float] = (),
    ref: QuantileDMatrix | None = None,
    progress: Progress,
) -> QuantileDMatrix:
    """The binned matrix of `rows`, with labels, and a weight by class where `weights` are given.

    `ref` is the training matrix whose bins a validation matrix must share.

    Raises:
        DataError: no rows, an infinite number, or (in a training matrix) a feature that is null throughout.
    """
    xgboost = trees.xgboost()
    feed = _Feed(rows, columns, weights, progress)

    base: Any = xgboost.DataIter

    class Source(base):  # type: ignore[misc]  # it may be imported in a function only
        def reset(self) -> None:
            feed.reset()

        def next(self, input_data: Callable[..., None]) -> bool:
            return feed.next(input_data)

    binned = xgboost.QuantileDMatrix(
        Source(), max_bin=training.booster.max_bin, nthread=training.threads, ref=ref, enable_categorical=True
    )
    if ref is None:
        feed.check_nulls()
    # What the reading left behind would stand beside what the fitting needs: 0.3 GB at ten million rows.
    feed.close()
    release_memory()
    return binned


def predict(booster: Booster, signature: Signature, batches: Iterable[pa.RecordBatch]) -> Scores:
    """The scores of `batches` (as `Rows.batches` gives them), in their order and whatever their sizes; float32.

    Shape (rows,): the probability of label 1, or the value; (rows, classes) for multiclass.
    """
    import numpy as np

    columns = Columns.of(signature)
    parts = [np.asarray(booster.inplace_predict(columns.block(batch)), np.float32) for batch in batches]
    width = (0, len(signature.classes)) if signature.classes else (0,)
    return np.concatenate(parts) if parts else np.empty(width, np.float32)


def trees_of(booster: Booster, signature: Signature) -> int:
    """How many trees a row walks through: one a round, or one a round and class."""
    return int(booster.num_boosted_rounds()) * max(1, len(signature.classes))


def contributions(booster: Booster, signature: Signature, batch: pa.RecordBatch) -> Scores:
    """SHAP values of `batch`, float32: (rows, features + 1), or (rows, classes, features + 1); the last is the bias."""
    import numpy as np

    xgboost = trees.xgboost()
    columns = Columns.of(signature)
    data = xgboost.DMatrix(
        columns.block(batch), feature_names=columns.names, feature_types=columns.types, enable_categorical=True
    )
    return np.asarray(booster.predict(data, pred_contribs=True), np.float32)


def release_memory() -> None:
    """Give freed memory back to the system, so that a matrix takes the place of the one before it."""
    import pyarrow as pa

    imports.set_aside()
    gc.collect()
    pa.default_memory_pool().release_unused()
    # glibc keeps what was freed; another C library has no malloc_trim, and needs none.
    trim = getattr(ctypes.CDLL(None), "malloc_trim", None)
    if trim is not None:
        trim(0)


class _Feed:
    """Hands `rows` to XGBoost, block by block and pass after pass, and counts what the first pass shows."""

    def __init__(self, rows: Rows, columns: Columns, weights: Sequence[float], progress: Progress) -> None:
        import numpy as np

        self.rows, self.columns, self.progress = rows, columns, progress
        self.weights = np.asarray(weights, np.float32)
        self.passes, self.said = 0, time.monotonic()
        self.counted = False
        self.parts: Iterator[Part] = iter(())
        self.kept: list[Part] = []
        self.spool: Spool | None = None
        self._clear()

    def reset(self) -> None:
        """Begin a pass: the first reads the feature table, later ones what was kept of it."""
        self.passes += 1
        if not self.counted:
            self._clear()
            self.parts = self._read()
        else:
            self.parts = self.spool.parts() if self.spool else iter(self.kept)

    def next(self, input_data: Callable[..., None]) -> bool:
        """Give XGBoost the next block; False at the end of the pass."""
        part = next(self.parts, None)
        if part is None:
            self.counted = True
            self._check_rows()
            return False
        if not self.counted:
            self._count(part)
        names, types = self.columns.names, self.columns.types
        input_data(data=part[0], feature_names=names, feature_types=types, **part[1])
        return True

    def close(self) -> None:
        """Let go of the kept blocks."""
        self.kept, self.parts = [], iter(())
        if self.spool:
            self.spool.close()
            self.spool = None

    def check_nulls(self) -> None:
        """Refuse a feature without a single value, which XGBoost would take silently."""
        empty = [name for name, filled in zip(self.columns.names, self.filled, strict=True) if not filled]
        if empty:
            raise DataError(
                f"feature {shorten(', '.join(empty))} is null in all {self.total} rows",
                where=f"{self.rows.first} to {self.rows.last}",
                remedy="drop it from features.py or mend its source",
            )

    def _clear(self) -> None:
        import numpy as np

        self.close()
        self.filled = np.zeros(len(self.columns.features), np.int64)
        self.size = self.total = 0

    def _read(self) -> Iterator[Part]:
        import numpy as np

        done = 0
        for batch in self.rows.batches([*self.columns.names, "label"]):
            label = batch.column("label").to_numpy(zero_copy_only=False).astype(np.float32)
            info = {"label": label}
            if len(self.weights):
                info["weight"] = self.weights[label.astype(np.int64)]
            done += batch.num_rows
            self._say(done)
            yield self.columns.block(batch), info

    def _count(self, part: Part) -> None:
        import numpy as np

        block = part[0]
        self.total += len(block)
        self.filled += np.count_nonzero(block != np.float32(NULL_NUMBER), axis=0)
        self.size += block.nbytes
        self.kept.append(part)
        if self.size > KEEP_BYTES:
            self.spool = self.spool or Spool(self.rows.folder)
            self.spool.put(self.kept)
            self.kept = []

    def _check_rows(self) -> None:
        if not self.total:
            raise DataError(
                f"no labelled rows from {self.rows.first} to {self.rows.last}",
                where="feature table",
                remedy="choose another window, or ingest these days",
            )

    def _say(self, done: int) -> None:
        if time.monotonic() - self.said >= SAY_SECONDS:
            self.said = time.monotonic()
            self.progress(f"matrix {self.rows.first} to {self.rows.last}: {done} rows, pass {self.passes}")

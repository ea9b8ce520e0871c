"""The labels of a day once they have come, put beside what was predicted for it."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import date
from pathlib import Path
from typing import TYPE_CHECKING, Any

from pipelines.config.params import RunParams
from pipelines.config.settings import Settings
from pipelines.ledger.git import Ledger
from pipelines.ledger.manifest import Partition
from pipelines.night.rows import verified

if TYPE_CHECKING:
    import pyarrow as pa
    from numpy.typing import NDArray

LABEL = "label"


@dataclass(frozen=True)
class Truth:
    """The labels of a day's events: the key columns and `label`, float64, null where none came."""

    day: date
    events: Partition
    table: pa.Table


def truths(
    settings: Settings, ledger: Ledger, params: RunParams, partitions: Sequence[tuple[Partition, date]], scratch: Path
) -> list[Truth]:
    """The truths of these days' events, in their order.

    Raises:
        IntegrityError: a partition's bytes are not what the ledger says.
        ConfigError: the label's expression does not fit them.
        PassingFault: the remote cannot be reached.
    """
    from pipelines.engines.local import connect
    from pipelines.engines.tables import day_labels
    from pipelines.storage.parquet import read_table

    if not partitions:
        return []
    files = verified(settings, ledger, tuple(partitions))
    found = []
    with connect(scratch / "duckdb", threads=1) as connection:
        for (item, day), file in zip(partitions, files, strict=True):
            labels = day_labels(connection, params, file)[LABEL]
            keys = read_table(file.path, columns=list(params.tables[params.events].key))
            found.append(Truth(day, item, keys.append_column(LABEL, labels)))
    return found


def labels_for(predictions: pa.Table, truth: Truth) -> NDArray[Any]:
    """The label (n,) of each row of `predictions`, by its keys, NaN where none came or the row is gone.

    The events may have been corrected since they were scored: then rows may be elsewhere, or new.
    """
    import numpy as np

    keys = [name for name in truth.table.column_names if name != LABEL]
    wanted = predictions.select(keys)
    known = truth.table.select(keys).cast(wanted.schema)
    if wanted.equals(known):
        found = truth.table[LABEL]
    else:
        found = _joined(wanted, known.append_column(LABEL, truth.table[LABEL]), keys)
    return np.asarray(found.to_numpy(), np.float64)


def _joined(wanted: pa.Table, known: pa.Table, keys: list[str]) -> pa.ChunkedArray:
    import numpy as np
    import pyarrow as pa

    # Of rows with one key, were there ever two, the lowest label: the same at every time.
    once = known.group_by(keys, use_threads=False).aggregate([(LABEL, "min")]).rename_columns([*keys, LABEL])
    numbered = wanted.append_column("place of the row", pa.array(np.arange(len(wanted))))
    return numbered.join(once, keys, join_type="left outer").sort_by("place of the row")[LABEL]

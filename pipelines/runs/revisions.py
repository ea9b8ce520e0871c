"""Whether a correction of a day's events changed anything that a feature may see."""

from __future__ import annotations

from datetime import date
from pathlib import Path
from typing import TYPE_CHECKING

from pipelines.config.params import RunParams
from pipelines.config.settings import Settings
from pipelines.engines.labels import banned
from pipelines.engines.sources import folded
from pipelines.ledger.git import Ledger
from pipelines.ledger.manifest import Manifest
from pipelines.night.rows import verified
from pipelines.storage.parquet import read_table

if TYPE_CHECKING:
    import pyarrow as pa


def standing_as(
    settings: Settings, ledger: Ledger, params: RunParams, manifest: Manifest, day: date, scored: str
) -> str:
    """The sha256 of the events of `day` in `manifest` if its rows are those of the revision `scored`; else `scored`.

    They are where both hold the same rows in the same order, but for what is known only after the event: labels that
    come as a correction change nothing that was to be seen when the day was scored.

    Raises:
        IntegrityError: a revision's bytes are not what the ledger says.
        PassingFault: the remote cannot be reached.
    """
    now, then = manifest.accepted(params.events, day.isoformat()), manifest.find_sha(params.events, scored)
    if now is None or then is None or (then.partition, then.rows) != (now.partition, now.rows):
        return scored
    # An erasure leaves an entry without bytes.
    if now.sha256 == scored or not (now.path and then.path):
        return scored
    first, second = verified(settings, ledger, ((now, day), (then, day)))
    unseen = banned(params, params.events)
    return now.sha256 if _seen(first.path, unseen).equals(_seen(second.path, unseen)) else scored


def _seen(path: Path, unseen: tuple[str, ...]) -> pa.Table:
    """The columns that features may see, in order of their names."""
    table = read_table(path)
    return table.select(sorted(name for name in set(table.column_names) if folded(name) not in unseen))

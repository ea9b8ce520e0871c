"""Whether a classifier can tell the newest days' rows from those that the champion was trained on."""

from __future__ import annotations

from datetime import date, timedelta
from typing import TYPE_CHECKING

from pipelines.drift.multivariate import separability
from pipelines.ledger import nights
from pipelines.night.predictions import Predictions, features_name
from pipelines.night.samples import SAMPLE_ROWS, read_sample
from pipelines.night.watch import Watch, Watched
from pipelines.policy.evidence import Separability

if TYPE_CHECKING:
    import pyarrow as pa


def separate(watch: Watch, champion: Watched) -> Separability | None:
    """How well a classifier tells the window's rows from a sample of the training rows; None where rows are lacking.

    Raises:
        IntegrityError: a file cannot be read.
        PassingFault: S3 cannot be reached.
    """
    settings, model = watch.settings, watch.ledger.model
    trained = read_sample(settings, model, champion.standing.run, watch.scratch)
    current = _current(watch, champion)
    if trained is None or current is None:
        return None
    used = [name for name in champion.version.signature.names if name not in watch.model.monitoring.columns_off]
    found = separability(trained.select(used), current.select(used), seed=champion.version.params.training.seed)
    return Separability(found.auc, found.low, found.high, found.rows)


def _current(watch: Watch, champion: Watched) -> pa.Table | None:
    """The rows of the window's days, evenly thinned to as many as the sample has."""
    import pyarrow as pa

    first = watch.day - timedelta(days=watch.model.monitoring.window_days - 1)
    days = nights.days(watch.ledger, "scores", first, watch.day)
    tables = [table for day in days if (table := _day(watch, champion, day)) is not None]
    if not tables:
        return None
    rows = pa.concat_tables(tables)
    step = -(-len(rows) // SAMPLE_ROWS) or 1
    return rows.take(pa.array(range(0, len(rows), step)))


def _day(watch: Watch, champion: Watched, day: date) -> pa.Table | None:
    files = Predictions.open(watch.settings, watch.ledger.model, day, watch.scratch / str(day))
    kept = files.read(features_name(champion.version.features_key))
    return kept.table.select(list(champion.version.signature.names)) if kept else None

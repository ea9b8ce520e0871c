"""Challenger, champion and baseline on the same rows: those whose labels neither model has seen."""

from __future__ import annotations

import shutil
from collections.abc import Mapping
from dataclasses import replace
from datetime import date, timedelta
from pathlib import Path
from typing import TYPE_CHECKING, Any

from pipelines.config.model import Task
from pipelines.config.params import RunParams
from pipelines.engines.columns import Columns
from pipelines.engines.rows import Rows
from pipelines.errors import DataError
from pipelines.evaluation.champion import Champion
from pipelines.evaluation.metrics import NAMES, Metrics, compute, default_metric
from pipelines.evaluation.paired import Paired
from pipelines.evaluation.record import Compared
from pipelines.evaluation.scoring import Model, Scored, score
from pipelines.storage.files import read_json
from pipelines.storage.model_file import Signature

if TYPE_CHECKING:
    from numpy.typing import NDArray
    from xgboost import Booster

CHALLENGER, CHAMPION, BASELINE, RELEASE = "challenger", "champion", "baseline", "release"
_EPOCH = date(1970, 1, 1)


def booster_model(booster: Booster, signature: Signature, threads: int) -> Model:
    """A booster as something that scores blocks with `threads` threads."""
    import numpy as np

    booster.set_param({"nthread": threads})
    return Model(Columns.of(signature), lambda block: np.asarray(booster.inplace_predict(block), np.float32))


def unseen(scored: Scored, champion: Champion) -> Scored:
    """The rows of the days after the last one whose labels the champion's release was fitted on."""
    return scored.where(scored.day > (champion.seen_until - _EPOCH).days)


def with_champion(scored: Scored, champion: Champion, root: Path, params: RunParams) -> Scored:
    """`scored`, rows unseen by the champion, with its scores: from its own features, rebuilt for these days.

    Needed where its features.py, tables or label are not this run's. What it reads is listed in accepted.json.

    Raises:
        DataError: its features cannot be built any more, or do not give exactly these rows.
    """
    if not len(scored):
        return _with_scores(scored, champion, params, scored.scores[CHALLENGER])
    folder = root / "out" / ".champion"
    first = champion.seen_until + timedelta(days=1)
    rows = Rows(folder / "data", max(first, params.span.test_start), params.span.test_end, labelled=False)
    try:
        _rebuild(champion, root, params, rows)
        model = booster_model(champion.booster, champion.signature, params.training.threads)
        found = score(rows, {CHAMPION: model})
    finally:
        shutil.rmtree(folder, ignore_errors=True)
    return _with_scores(scored, champion, params, _aligned(scored, found))


def compared(scored: Scored, champion: Champion, params: RunParams, known: Mapping[str, Metrics]) -> Compared:
    """The three models' metrics on `scored`, rows unseen by the champion; `known` are computed already."""
    first = max(champion.seen_until + timedelta(days=1), params.span.test_start)
    found = {
        name: known.get(name) or compute(params.task, scored.label, scored.scores[name])
        for name in (CHALLENGER, CHAMPION, BASELINE)
    }
    rule = params.gates.champion
    paired = _paired(scored, params.task, (found[CHALLENGER], found[CHAMPION]))
    return Compared(
        version=champion.version,
        seen_until=champion.seen_until,
        rows=len(scored),
        days=(first, params.span.test_end) if len(scored) else None,
        paired=paired.get(rule.metric or default_metric(params.task)),
        differences={name: item.difference(rule.min_days) for name, item in paired.items()},
        **found,
    )


def _paired(scored: Scored, task: Task, known: tuple[Metrics, Metrics]) -> dict[str, Paired]:
    """Challenger against champion by every metric that both have: a person who decides is shown them all."""
    both = (scored.scores[CHALLENGER], scored.scores[CHAMPION])
    every = {name: Paired.of(task, name, scored.label, both, scored.day, known) for name in NAMES[task]}
    return {name: item for name, item in every.items() if item is not None}


def placed(scored: Scored, champion: Champion, params: RunParams) -> Scored:
    """`scored` with the champion's scores in the order of this run's classes."""
    return _with_scores(scored, champion, params, scored.scores[CHAMPION])


def _with_scores(scored: Scored, champion: Champion, params: RunParams, scores: NDArray[Any]) -> Scored:
    ordered = champion.as_classes(scores, params.label.classes) if len(scores) else scores
    return replace(scored, scores={**scored.scores, CHAMPION: ordered})


def _rebuild(champion: Champion, root: Path, params: RunParams, rows: Rows) -> None:
    from pipelines.engines.frame import open_frame
    from pipelines.engines.local import connect
    from pipelines.engines.sources import source_files
    from pipelines.storage.parquet import write_table

    own = params.model_copy(update={"tables": champion.tables, "label": champion.label})
    files = source_files(root, read_json(root / "out" / "validate" / "accepted.json")["partitions"])
    with connect(rows.folder.parent / "duckdb", threads=params.training.threads) as connection:
        frame = open_frame(connection, own, files, champion.features_py)
        for month, table in frame.months(rows.first, rows.last, label=True):
            write_table(rows.folder / f"{month}.parquet", table.combine_chunks(), durable=False)


def _aligned(scored: Scored, found: Scored) -> NDArray[Any]:
    """The champion's scores in the order of `scored`."""
    import numpy as np

    places = np.searchsorted(found.row_id, scored.row_id)
    there = np.append(found.row_id, -1)[places] == scored.row_id
    if not there.all():
        raise DataError(
            f"the champion's features.py gives no row for {int((~there).sum())} of {len(scored)} test rows",
            where=f"row_id {int(scored.row_id[~there][0])}",
            remedy="both feature tables must hold every event of a day",
        )
    scores: NDArray[Any] = found.scores[CHAMPION][places]
    return scores

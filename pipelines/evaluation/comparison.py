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
from pipelines.evaluation import stamped
from pipelines.evaluation.champion import Champion
from pipelines.evaluation.metrics import NAMES, Metrics, compute, default_metric
from pipelines.evaluation.overlap import days_of
from pipelines.evaluation.paired import Paired
from pipelines.evaluation.record import Compared
from pipelines.evaluation.scoring import Model, Scored, score
from pipelines.evaluation.stamped import Sources
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


def with_champion(
    rows: Scored, champion: Champion, root: Path, params: RunParams, *, shares: bool
) -> tuple[Scored, Sources]:
    """`rows`, unseen by the champion, with its scores, and where those come from.

    On days of which it stamped a score for every row in their nights, those; on the others it is asked again. Where
    this run's features are not its own (`shares`), they are rebuilt with its features.py for the days that are left.

    Raises:
        IntegrityError: what the run holds of its stamped scores is not what stamped.json names.
        DataError: its features cannot be built any more, or do not give exactly these rows.
    """
    if not len(rows):
        return _with_scores(rows, champion, params, rows.scores[CHALLENGER]), Sources()
    import numpy as np

    said, scores = stamped.load(root, champion, params.events).of(rows)
    apart = None
    if shares:
        again = rows.scores[CHAMPION]
        apart = float(np.abs(again[said] - scores).max()) if said.any() else None
        again = again[~said]
    else:
        again = _rescored(rows.where(~said), champion, root, params)
    whole = np.empty((len(rows), *again.shape[1:]), np.float32)
    whole[~said] = again
    if said.any():  # without stamped scores nobody knows how many classes they would have
        whole[said] = scores
    return _with_scores(rows, champion, params, whole), Sources.of(rows.day, said, apart)


def compared(
    scored: Scored, champion: Champion, params: RunParams, known: Mapping[str, Metrics], sources: Sources
) -> Compared:
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
        sources=sources,
        **found,
    )


def _rescored(rows: Scored, champion: Champion, root: Path, params: RunParams) -> NDArray[Any]:
    """The champion's scores of `rows` from its own features. What it reads is listed in accepted.json."""
    import numpy as np

    if not len(rows):
        classes = champion.signature.classes
        return np.empty((0, len(classes)) if params.task is Task.MULTICLASS else 0, np.float32)
    folder = root / "out" / ".champion"
    wanted = Rows(folder / "data", *days_of(rows.day), labelled=False)
    try:
        _rebuild(champion, root, params, wanted)
        model = booster_model(champion.booster, champion.signature, params.training.threads)
        found = score(wanted, {CHAMPION: model})
    finally:
        shutil.rmtree(folder, ignore_errors=True)
    return _aligned(rows, found)


def _paired(scored: Scored, task: Task, known: tuple[Metrics, Metrics]) -> dict[str, Paired]:
    """Challenger against champion by every metric that both have: a person who decides is shown them all."""
    both = (scored.scores[CHALLENGER], scored.scores[CHAMPION])
    every = {name: Paired.of(task, name, scored.label, both, scored.day, known) for name in NAMES[task]}
    return {name: item for name, item in every.items() if item is not None}


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
        frame = open_frame(connection, own, files, champion.features_py, types=champion.signature.tables)
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

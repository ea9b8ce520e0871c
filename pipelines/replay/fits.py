"""One retraining as of a day: trial and release as the train stage fits them, and their scores, kept on disk."""

from __future__ import annotations

import json
import time
from dataclasses import dataclass, replace
from pathlib import Path
from typing import TYPE_CHECKING, Any

from pipelines.config.params import RunParams
from pipelines.replay.table import Table
from pipelines.storage import files

if TYPE_CHECKING:
    from numpy.typing import NDArray

    from pipelines.stages.context import Progress
    from pipelines.stages.train import Trained

# Raise it when what a fit keeps, or how it is made, changes: older fits are then made again.
FORMAT = 1
KEY_LENGTH = 24
AGREEMENT_ROWS = 20_000
NO_SHA = "0" * 64


@dataclass(frozen=True)
class Fit:
    """What replay keeps of a retraining.

    `trial` are the trial's float32 scores of the rows of the test days, `release` the release's of all rows of the
    feature table from `span.test_start` on: (n,), or (n, classes); in the table's order, rows without label included.
    """

    params: RunParams
    facts: dict[str, Any]
    trial: NDArray[Any]
    release: NDArray[Any]

    @property
    def seconds(self) -> float:
        """How long the fitting took on the machine that did it."""
        return float(self.facts["seconds"])


def path_of(folder: Path, params: RunParams, table: Table) -> Path:
    """Where the fit of `params` on `table` is kept below `folder`, by everything that its results depend on."""
    plain = params.model_dump(mode="json", exclude={"gates", "validation"})
    plain["training"].pop("threads")  # they change no bit of a model
    plain["evaluation"].pop("business")  # it is worked out from the scores
    made_of = json.dumps([FORMAT, table.sha256, plain], sort_keys=True)
    return folder / f"{params.span.as_of}-{files.sha256_bytes(made_of.encode())[:KEY_LENGTH]}.npz"


def read(path: Path, params: RunParams) -> Fit:
    """The fit that was kept at `path`."""
    import numpy as np

    with np.load(path, allow_pickle=False) as kept:
        return Fit(params, json.loads(str(kept["facts"])), kept["trial"], kept["release"])


def make(path: Path, params: RunParams, table: Table, say: Progress) -> None:
    """Fit trial and release of `params` on `table`, score the days that follow, and keep all that at `path`.

    Raises:
        DataError: the window holds rows that cannot be trained on.
    """
    import numpy as np

    from pipelines.stages.train import train

    started = time.monotonic()
    trained = train(table.folder, table.features, params, say)
    seconds = round(time.monotonic() - started, 3)
    facts, trial, release = _scored(table, params, trained)
    with files.atomic_file(path, durable=False) as temporary, temporary.open("wb") as file:
        np.savez(file, facts=np.array(json.dumps(facts | {"seconds": seconds})), trial=trial, release=release)


def _scored(table: Table, params: RunParams, trained: Trained) -> tuple[dict[str, Any], NDArray[Any], NDArray[Any]]:
    from pipelines.engines.matrix import contributions, predict
    from pipelines.engines.rows import Rows
    from pipelines.evaluation.importance import importance
    from pipelines.evaluation.record import Agreement
    from pipelines.evaluation.sampling import sample
    from pipelines.stages.train import signature

    span, names = params.span, [item.name for item in table.features]
    expects = signature(params, trained.survey, NO_SHA, {"trial": NO_SHA, "release": NO_SHA})
    trial, release = trained.trial.booster, trained.release
    later = Rows(table.folder, span.test_start, table.last, labelled=False)
    test = replace(later, last=span.test_end)
    seen = sample(Rows(table.folder, span.train_start, span.train_end), names, AGREEMENT_ROWS).to_batches()
    agreement = Agreement.of(predict(trial, expects, seen), predict(release, expects, seen))
    shown = sample(replace(test, labelled=True), names, params.evaluation.shap_rows)
    ranked = importance(names, lambda batch: contributions(trial, expects, batch), shown)["features"]
    facts = {
        "rounds": trained.trial.rounds,
        "validation_loss": trained.trial.loss,
        "rows": trained.survey.rows,
        "release_rows": trained.release_rows,
        "agreement": [agreement.mean, agreement.max, agreement.rows],
        "importance": {item["feature"]: item["share"] for item in ranked},
    }
    return facts, predict(trial, expects, test.batches(names)), predict(release, expects, later.batches(names))
